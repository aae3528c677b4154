"""Where a run reads documents and writes results: buckets or folders."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagemill.config.run import Settings
from pagemill.domain.wording import shown
from pagemill.errors import StoreUnusable, UsageError
from pagemill.orchestration.parameters import OcrBatchParameters, expanded
from pagemill.ports import DocumentSource, ObjectStore
from pagemill.storage.local_source import ListedSource, LocalSource, names_objects
from pagemill.storage.local_store import LocalStore

if TYPE_CHECKING:
    from google.cloud import storage


def open_source(
    parameters: OcrBatchParameters, settings: Settings, google: Callable[[], storage.Client]
) -> DocumentSource:
    """Where the documents come from: a bucket, a `.txt` list of either kind, a folder or a PDF.

    Raises:
        UsageError: The source is of a kind this version does not read.
    """
    include, largest_bytes = parameters.include, settings.largest_pdf_mib * 2**20
    if parameters.source.startswith("gs://"):
        from pagemill.storage.gcs.client import parse_location  # noqa: PLC0415 -- half a second that local runs need not wait
        from pagemill.storage.gcs.source import GcsSource  # noqa: PLC0415 -- as above

        location = parse_location(parameters.source)
        return GcsSource(google(), location, include=include, largest_bytes=largest_bytes)
    path = _local_path(parameters.source, "SOURCE")
    with _explained(path):
        return _local_source(path, parameters, largest_bytes, google)


def _local_source(
    path: Path, parameters: OcrBatchParameters, largest_bytes: int, google: Callable[[], storage.Client]
) -> DocumentSource:
    include = parameters.include
    if path.suffix != ".txt" or path.is_dir():
        return LocalSource(path, include=include, without=_results_within(path, parameters.destination))
    if not names_objects(path):
        return ListedSource(path, include=include)
    from pagemill.storage.gcs.list import GcsListedSource  # noqa: PLC0415 -- as above

    return GcsListedSource(google(), path, include=include, largest_bytes=largest_bytes)


def open_destination(destination: str, google: Callable[[], storage.Client]) -> ObjectStore:
    """Where the results go.

    Raises:
        UsageError: The destination is of a kind this version does not write.
    """
    if destination.startswith("gs://"):
        from pagemill.storage.gcs.client import parse_location  # noqa: PLC0415 -- as above
        from pagemill.storage.gcs.store import GcsStore  # noqa: PLC0415 -- as above

        location = parse_location(destination)
        return GcsStore(google(), location)
    return LocalStore(_local_path(destination, "DESTINATION"))


def google_client(
    settings: Settings, key: Mapping[str, Any] | None, stack: contextlib.AsyncExitStack
) -> Callable[[], storage.Client]:
    """Opens the run's one client, and looks for credentials, when first asked."""

    @functools.cache
    def client() -> storage.Client:
        from pagemill.storage.gcs import client as gcs  # noqa: PLC0415 -- as above

        opened = gcs.open_client(settings.google_cloud_project, key)
        stack.callback(opened.close)
        return opened

    return client


def _results_within(source: Path, destination: str) -> Path | None:
    """The destination if it is a folder within the source, where no documents are looked for; else None.

    Raises:
        UsageError: It is the source itself. The results of `a.pdf` would need a folder `a.pdf` beside it.
    """
    if "://" in destination:
        return None
    results = _local_path(destination, "DESTINATION")
    with _explained(results):
        inside = results.resolve().is_relative_to(source.resolve())
    if results.resolve() == source.resolve():
        raise UsageError(
            f"the source and the destination are the same, {shown(str(results))}; "
            f"choose another destination, for example {shown(str(source / 'text'))}"
        )
    return results if inside else None


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say which path the system refuses: its name is too long, or its links lead in a circle."""
    try:
        yield
    except OSError as error:
        raise StoreUnusable(f"{shown(str(path))} cannot be used: {error.strerror or error}") from error
    except RuntimeError as error:  # what pathlib raises for such links, up to Python 3.12
        raise StoreUnusable(f"{shown(str(path))} cannot be used: its links lead in a circle") from error


def _local_path(text: str, what: str) -> Path:
    if "://" in text:
        raise UsageError(f"{what} '{text}' is neither a local path nor gs://BUCKET/PREFIX")
    return expanded(text)

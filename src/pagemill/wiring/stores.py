"""Where a run reads documents and writes results: buckets or folders."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagemill.config.run import Settings
from pagemill.domain.wording import shown
from pagemill.errors import StoreUnusable, UsageError
from pagemill.ports import DocumentSource, ObjectStore
from pagemill.storage.folder import real
from pagemill.storage.lists import names_objects
from pagemill.storage.local_source import ListedSource, LocalSource
from pagemill.storage.local_store import LocalStore
from pagemill.wiring.parameters import OcrBatchParameters, expanded

if TYPE_CHECKING:
    from google.cloud import storage


def open_source(
    parameters: OcrBatchParameters, settings: Settings, google: Callable[[], storage.Client]
) -> DocumentSource:
    """Where the documents come from: a bucket, a `.txt` list of either kind and in either place, a folder or a PDF.

    Raises:
        UsageError: The source is of a kind this version does not read, or is the destination.
    """
    include, period, largest_bytes = parameters.include, parameters.period, settings.largest_pdf_mib * 2**20
    if parameters.source.startswith("gs://"):
        from pagemill.storage.gcs.client import parse_location  # noqa: PLC0415 -- half a second that local runs need not wait
        from pagemill.storage.gcs.list import GcsListedSource  # noqa: PLC0415 -- as above
        from pagemill.storage.gcs.source import GcsSource  # noqa: PLC0415 -- as above

        location = parse_location(parameters.source)
        if parameters.source.endswith(".txt") and location.prefix:
            return GcsListedSource(google(), location, include=include, period=period, largest_bytes=largest_bytes)
        if parameters.destination.startswith("gs://") and parse_location(parameters.destination) == location:
            raise _same(str(location), f"{location}/text")
        return GcsSource(google(), location, include=include, period=period, largest_bytes=largest_bytes)
    path = _local_path(parameters.source, "SOURCE")
    with _explained(path):
        return _local_source(path, parameters, largest_bytes, google)


def _local_source(
    path: Path, parameters: OcrBatchParameters, largest_bytes: int, google: Callable[[], storage.Client]
) -> DocumentSource:
    include, period = parameters.include, parameters.period
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # the source says what to do then
        path.stat()
    if path.suffix != ".txt" or _is_folder(path):
        return LocalSource(path, include=include, period=period, without=_results_within(path, parameters.destination))
    if not names_objects(path):
        return ListedSource(path, include=include, period=period, without=_local_destination(parameters.destination))
    from pagemill.storage.gcs.list import GcsListedSource  # noqa: PLC0415 -- as above

    return GcsListedSource(google(), path, include=include, period=period, largest_bytes=largest_bytes)


def open_destination(
    destination: str, google: Callable[[], storage.Client], *, name: str = "DESTINATION"
) -> ObjectStore:
    """Where the results go.

    Args:
        destination: A folder, or a bucket with a prefix.
        google: Opens the client.
        name: What messages call it.

    Raises:
        UsageError: The destination is of a kind this version does not write.
    """
    if destination.startswith("gs://"):
        from pagemill.storage.gcs.client import parse_location  # noqa: PLC0415 -- as above
        from pagemill.storage.gcs.store import GcsStore  # noqa: PLC0415 -- as above

        location = parse_location(destination)
        return GcsStore(google(), location)
    return LocalStore(_local_path(destination, name))


def check_local_paths(parameters: OcrBatchParameters) -> None:
    """Refuse a folder or file that is not there, and one that cannot be written. Buckets are asked by the run.

    Raises:
        StoreUnusable: There is no such source, or the destination cannot be written.
        UsageError: A path is none, or both are the same.
    """
    if not parameters.source.startswith("gs://"):
        path = _local_path(parameters.source, "SOURCE")
        with _explained(path):
            try:
                path.stat()
            except FileNotFoundError:
                raise StoreUnusable(f"{shown(parameters.source)}: no such file or folder") from None
            except PermissionError:
                return  # the run says what to do
            _results_within(path, parameters.destination)
    if not parameters.destination.startswith("gs://"):
        LocalStore(_local_path(parameters.destination, "DESTINATION")).check_writable()


def google_client(
    settings: Settings,
    key: Mapping[str, Any] | None,
    stack: contextlib.AsyncExitStack | contextlib.ExitStack,
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
        UsageError: It is the source itself, or the folder of a single PDF. The results of `a.pdf` would need a folder
            `a.pdf` beside it.
    """
    results = _local_destination(destination)
    if results is None:
        return None
    if _is_same(results, source):
        raise _same(str(results), str(source / "text" if _is_folder(source) else source.with_name("text")))
    if _is_same(results / source.name, source) and not _is_folder(source):
        raise UsageError(
            f"the results of {shown(str(source))} would need a folder of that name in {shown(str(results))}, where the "
            f"file itself is; choose another destination, for example {shown(str(results / 'text'))}"
        )
    with _explained(results):
        return results if real(results).is_relative_to(real(source)) else None


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 -- `Path.is_dir` raises errors for names that no file can have


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file or folder, however they are written."""
    with contextlib.suppress(OSError, ValueError):
        return one.samefile(other)
    return real(one) == real(other)


def _same(location: str, advised: str) -> UsageError:
    return UsageError(
        f"the source and the destination are the same, {shown(location)}; "
        f"choose another destination, for example {shown(advised)}"
    )


def _local_destination(destination: str) -> Path | None:
    return None if "://" in destination else _local_path(destination, "DESTINATION")


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
    if "\0" in text:
        raise UsageError(f"{what} {text!r} has a NUL character in it, as no path has")
    return expanded(text)

"""A document's checkpoints into what is shipped: Markdown, JSONL and, last, the manifest."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pagemill.domain import assembly, keys
from pagemill.domain.manifest import Manifest, Receipt, Tally, read_receipt
from pagemill.domain.model import Document, PageResult, Recipe, Status
from pagemill.domain.planning import chunks
from pagemill.domain.summary import RunSummary
from pagemill.ports import ObjectStore

_READERS = 8
_READ_AHEAD = 64  # checkpoints held at once
_IN_MEMORY_BYTES = 2**20  # longer texts are put together on disk


def receipt_of(destination: ObjectStore, document_key: str) -> Receipt | None:
    """What an earlier run's manifest says of a document; blocks."""
    stored = destination.read(keys.manifest(document_key))
    return read_receipt(stored.data) if stored else None


def checkpointed_pages(destination: ObjectStore, document: Document, recipe: Recipe) -> frozenset[int]:
    """The pages that already have a result under this recipe: one listing, however many there are; blocks."""
    numbers = map(keys.checkpoint_number, destination.keys(keys.checkpoints(document, recipe)))
    return frozenset(number for number in numbers if number is not None)


def publish(
    destination: ObjectStore,
    document: Document,
    recipe: Recipe,
    *,
    page_count: int,
    numbers: Iterable[int],
    failed: Mapping[int, PageResult],
    usd_per_page_second: float,
) -> Tally:
    """Write `document.md`, `pages.jsonl` and `manifest.json`; blocks.

    Texts go page by page from the checkpoints through a temporary file: a document of any length costs the same memory.

    Args:
        destination: Where the checkpoints are, and the results go.
        document: The document.
        recipe: What it was read with.
        page_count: Pages of the PDF.
        numbers: The pages to ship: those with a checkpoint, and the failed ones.
        failed: Results of the pages that have no checkpoint.
        usd_per_page_second: Price of a page in flight for a second.
    """
    tally = Tally()
    with (
        tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as markdown,
        tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as jsonl,
    ):
        for result in _results(destination, document, recipe, sorted(numbers), failed):
            tally.add(result)
            markdown.write(assembly.markdown(result).encode())
            jsonl.write(assembly.to_json(result).encode())
        destination.write(keys.markdown(document.key), markdown, content_type="text/markdown; charset=utf-8")
        destination.write(keys.pages_jsonl(document.key), jsonl, content_type="application/jsonl")
    cost = tally.page_seconds * usd_per_page_second
    write_manifest(destination, Manifest(document, recipe, page_count, tally, cost, dt.datetime.now(dt.UTC)))
    return tally


def write_manifest(destination: ObjectStore, manifest: Manifest) -> None:
    """Write a manifest; blocks."""
    body = manifest.to_json().encode()
    destination.write(keys.manifest(manifest.document.key), body, content_type="application/json")


def write_summary(destination: ObjectStore, summary: RunSummary) -> None:
    """Write what a run did; blocks."""
    destination.write(keys.run_summary(summary.run_id), summary.to_json().encode(), content_type="application/json")


def _results(
    destination: ObjectStore,
    document: Document,
    recipe: Recipe,
    numbers: Sequence[int],
    failed: Mapping[int, PageResult],
) -> Iterator[PageResult]:
    """The results in page order; a few checkpoints are read at once, for a bucket takes tens of milliseconds each."""

    def result(number: int) -> PageResult:
        return failed.get(number) or _checkpoint(destination, document, recipe, number)

    with ThreadPoolExecutor(_READERS) as readers:
        for some in chunks(numbers, size=_READ_AHEAD):
            yield from readers.map(result, some)


def _checkpoint(destination: ObjectStore, document: Document, recipe: Recipe, number: int) -> PageResult:
    key = keys.checkpoint(document, recipe, number)
    stored = destination.read(key)
    try:
        return assembly.from_json(stored.data if stored else b"")
    except ValueError:
        what = "is damaged" if stored else "is gone"
        reason = f"the page's checkpoint {destination.name}/{key} {what}; delete it and run again"
        return PageResult(number, Status.FAILED, objections=(reason,))

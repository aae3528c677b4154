"""A document's checkpoints into what is shipped: Markdown, JSONL and, last, the manifest."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.manifest import Manifest, Receipt, Tally, read_receipt
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status
from pagemill.domain.pages.planning import chunks
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import PreconditionFailed
from pagemill.ports import ABSENT, ObjectStore

_ALL = 3  # objects of a published document
_ROUNDS = 5  # tries to publish a document that other runs are publishing as well
_MOST_ROUNDS = 50  # with a text of ours left behind; only a store that contradicts itself gets here
_READERS = 8
_READ_AHEAD = 64  # checkpoints held at once
_IN_MEMORY_BYTES = 2**20  # longer texts are put together on disk


class Contended(PreconditionFailed):
    """Another run keeps writing the same document."""

    def __init__(self, tally: Tally) -> None:
        """Keep what this run's pages came to: they have their results all the same."""
        super().__init__("another run keeps writing this document; run again")
        self.tally = tally


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
    """Write `document.md`, `pages.jsonl` and `manifest.json`, all three or in the end those of another run; blocks.

    Texts go page by page from the checkpoints through a temporary file: a document of any length costs the same memory.

    Each object is written only over the version that was there before the texts were put together, else everything
    begins again. So the last to write `document.md` gets the other two written as well, and nobody after it: provided
    that it goes on until it has, and gives up only where its `document.md` was not taken.

    Args:
        destination: Where the checkpoints are, and the results go.
        document: The document.
        recipe: What it was read with.
        page_count: Pages of the PDF.
        numbers: The pages to ship: those with a checkpoint, and the failed ones.
        failed: Results of the pages that have no checkpoint.
        usd_per_page_second: Price of a page in flight for a second.

    Raises:
        Contended: Other runs were quicker, time and again.
        StoreUnusable: The destination cannot be read or written.
    """
    wanted = frozenset(numbers)
    left_something = False  # a text of ours, which may lie beside what is another run's
    for tries in itertools.count(1):
        there = _Published.by_anyone(destination, document.key)
        with _assembled(_results(destination, document, recipe, sorted(wanted), failed)) as texts:
            if there.settles(document, recipe, wanted) and not left_something:
                break
            cost = texts.tally.page_seconds * usd_per_page_second
            manifest = Manifest(document, recipe, page_count, texts.tally, cost, dt.datetime.now(dt.UTC))
            written = _replace(destination, there, texts, manifest)
        if written == _ALL:
            break
        if tries >= (_MOST_ROUNDS if written else _ROUNDS):
            raise Contended(texts.tally)
        left_something = left_something or written > 0
        wanted |= checkpointed_pages(destination, document, recipe)
    return texts.tally


def tallied(
    destination: ObjectStore,
    document: Document,
    recipe: Recipe,
    numbers: Sequence[int],
    failed: Mapping[int, PageResult],
) -> Tally:
    """Add up results as `publish` does, and write nothing; blocks.

    Raises:
        StoreUnusable: The destination cannot be read.
    """
    tally = Tally()
    for result in _results(destination, document, recipe, numbers, failed):
        tally.add(result)
    return tally


def write_manifest(destination: ObjectStore, manifest: Manifest) -> None:
    """Write the manifest of a document that has no texts; blocks."""
    version = destination.version(keys.manifest(manifest.document.key))
    with contextlib.suppress(PreconditionFailed):  # another run knows more by now, and what it says counts
        _write_manifest(destination, manifest, version)


def write_summary(destination: ObjectStore, summary: RunSummary) -> None:
    """Write what a run did; blocks."""
    write_parts(destination, keys.run_summary(summary.run_id), summary.to_json(), "application/json")


def write_failures(destination: ObjectStore, shard_id: str, failed: Mapping[str, Mapping[int, PageResult]]) -> None:
    """Leave a shard's failures for whoever publishes their documents: failed pages have no checkpoint; blocks."""
    lines = (
        json.dumps({"document": key, "number": number, "result": assembly.to_json(result)}) + "\n"
        for key, results in failed.items()
        for number, result in sorted(results.items())
    )
    write_parts(destination, keys.failures(shard_id), lines, "application/jsonl")


def write_parts(destination: ObjectStore, key: str, parts: Iterable[str], content_type: str) -> None:
    """Write a text that need not fit into memory; blocks."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as body:
        body.writelines(part.encode() for part in parts)
        destination.write(key, body, content_type=content_type)


def _write_manifest(destination: ObjectStore, manifest: Manifest, if_version: str) -> None:
    key, body = keys.manifest(manifest.document.key), manifest.to_json().encode()
    destination.write(key, body, content_type="application/json", if_version=if_version)


@dataclass(frozen=True, slots=True)
class _Published:
    """What lies at the destination, whoever wrote it."""

    markdown_version: str
    jsonl_version: str
    manifest_version: str
    receipt: Receipt | None

    @classmethod
    def by_anyone(cls, destination: ObjectStore, document_key: str) -> _Published:
        with ThreadPoolExecutor(_READERS) as readers:  # at once: a bucket takes tens of milliseconds each
            manifest = readers.submit(destination.read, keys.manifest(document_key))
            texts = [keys.markdown(document_key), keys.pages_jsonl(document_key)]
            markdown_version, jsonl_version = readers.map(destination.version, texts)
            stored = manifest.result()
        version, receipt = (stored.version, read_receipt(stored.data)) if stored else (ABSENT, None)
        return cls(markdown_version, jsonl_version, version, receipt)

    def settles(self, document: Document, recipe: Recipe, numbers: Collection[int]) -> bool:
        return self.receipt is not None and self.receipt.settles(document, recipe, numbers)


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is to be published, in temporary files."""

    markdown: IO[bytes]
    jsonl: IO[bytes]
    tally: Tally


@contextlib.contextmanager
def _assembled(results: Iterable[PageResult]) -> Iterator[_Texts]:
    with (
        tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as markdown,
        tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as jsonl,
    ):
        tally = Tally()
        for result in results:
            tally.add(result)
            markdown.write(assembly.markdown(result).encode())
            jsonl.write(assembly.to_json(result).encode())
        yield _Texts(markdown, jsonl, tally)


def _replace(destination: ObjectStore, there: _Published, texts: _Texts, manifest: Manifest) -> int:
    """Write the three objects over what was there, the manifest last; return how many were still as they had been."""
    key, written = manifest.document.key, 0
    with contextlib.suppress(PreconditionFailed):
        kind, version = "text/markdown; charset=utf-8", there.markdown_version
        destination.write(keys.markdown(key), texts.markdown, content_type=kind, if_version=version)
        written += 1
        kind, version = "application/jsonl", there.jsonl_version
        destination.write(keys.pages_jsonl(key), texts.jsonl, content_type=kind, if_version=version)
        written += 1
        _write_manifest(destination, manifest, there.manifest_version)
        written += 1
    return written


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

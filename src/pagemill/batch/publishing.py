"""A document's checkpoints into the published objects: Markdown, JSONL and, last, the manifest."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import itertools
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.owners import check_owner
from pagemill.config.temporary_folder import temporary_files
from pagemill.domain.judging.findings import SUSPECT_BELOW
from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.manifest import (
    TEXTS,
    Manifest,
    PriorManifest,
    PublishedText,
    Tally,
    read_prior_manifest,
)
from pagemill.domain.pages.model import Document, PageResult, Recipe
from pagemill.domain.pages.planning import Selection
from pagemill.errors import PreconditionFailed
from pagemill.ports import ABSENT, ObjectStore, StoredObject

_ALL = 3  # objects of a published document
_ROUNDS = 5  # tries to publish a document that other runs publish at the same time
_MOST_ROUNDS = 50  # after one of our texts was written; reached only if the store contradicts itself
_READERS = 3
_IN_MEMORY_BYTES = 2**20  # longer texts are assembled on disk
_CHUNK_BYTES = 2**18


class Contended(PreconditionFailed):
    """Another run keeps writing the same document."""

    def __init__(self, tally: Tally) -> None:
        """Keep the sums over this run's pages: their results exist all the same."""
        super().__init__("another run keeps writing this document; run again")
        self.tally = tally


def prior_manifest(destination: ObjectStore, document: Document) -> PriorManifest | None:
    """Read the manifest of an earlier run; None where there is none that counts; blocks.

    Raises:
        KeyTaken: It is the manifest of another source's document, or is damaged beside texts that may be another's.
        StoreUnusable: The destination cannot be read.
    """
    stored = destination.read(keys.manifest(document.key))
    prior = read_prior_manifest(stored.data) if stored else None
    check_owner(destination, stored, prior, document)
    return prior


def covering_manifest(checkpoints: Checkpoints, document: Document, selection: Selection) -> PriorManifest | None:
    """The manifest of an earlier run that has a result for all selected pages, and its texts beside it; blocks.

    Raises:
        KeyTaken: As `prior_manifest`.
        StoreUnusable: The destination cannot be read.
    """
    destination = checkpoints.destination
    prior = prior_manifest(destination, document)
    selected = selection.selected(document, prior.page_count) if prior else ()
    return prior if _covers(destination, prior, document, checkpoints.recipe, selected) else None


def publish(
    checkpoints: Checkpoints,
    document: Document,
    *,
    page_count: int,
    numbers: Iterable[int],
    failed: Mapping[int, PageResult],
    usd_per_page_second: float,
    findings: tuple[str, ...] = (),
    min_score: float = SUSPECT_BELOW,
    witness: str = "",
) -> Tally:
    """Write `document.md`, `pages.jsonl` and `manifest.json`; all three are in the end of the same run; blocks.

    The texts go page by page from the checkpoints into a temporary file: memory does not grow with the document.

    Each object is written only over the version that was there before the texts were assembled; otherwise everything
    begins again. So the last run that writes `document.md` also writes the other two. For this, a run whose
    `document.md` was written must go on until the other two are; it may give up only while its `document.md` was not.

    Args:
        checkpoints: The pages' results, and the destination.
        document: The document.
        page_count: Pages of the PDF.
        numbers: The pages to publish: those with a checkpoint, and the failed ones.
        failed: Results of the pages that have no checkpoint.
        usd_per_page_second: Price of one page in flight for one second, in USD.
        findings: What is wrong with the document as a whole, or not read.
        min_score: An `ok` page with a lower score is a suspect.
        witness: Who could be asked about pages with little on them; empty: nobody.

    Raises:
        CheckpointsDamaged: Some pages have no usable checkpoint. Nothing was written, unless in an earlier round.
        Contended: Other runs were faster in every round.
        KeyTaken: Another run has published another source's document here in the meantime.
        StoreUnusable: The destination cannot be read or written.
    """
    destination, recipe = checkpoints.destination, checkpoints.recipe
    wanted = frozenset(numbers)
    text_written = False  # one of our texts may lie beside an object of another run
    for tries in itertools.count(1):
        current = _Published.read(destination, document.key)
        if not text_written:
            check_owner(destination, current.manifest, current.prior, document)
        with _assembled(checkpoints.results(document, sorted(wanted), failed)) as texts:
            covered = not text_written and _covers(destination, current.prior, document, recipe, wanted)
            # Where this run has read a page again, the texts are others.
            if covered and current.prior and current.prior.has_texts(texts.described()):
                break
            cost = texts.tally.page_seconds * usd_per_page_second
            now = dt.datetime.now(dt.UTC)
            manifest = Manifest(
                document,
                recipe,
                page_count,
                texts.tally,
                cost,
                now,
                findings=findings,
                texts=texts.described(),
                min_score=min_score,
                witness=witness,
            )
            written = _replace(destination, current, texts, manifest)
        if written == _ALL:
            break
        if tries >= (_MOST_ROUNDS if written else _ROUNDS):
            raise Contended(texts.tally)
        text_written = text_written or written > 0
        wanted |= checkpoints.pages(document, page_count)
    return texts.tally


def tallied(results: Iterable[PageResult]) -> Tally:
    """Sum over page results without publishing them."""
    tally = Tally()
    for result in results:
        tally.add(result)
    return tally


def write_manifest(destination: ObjectStore, manifest: Manifest) -> None:
    """Write the manifest of a document that could not be read; blocks.

    Where texts of an earlier run are, nothing is written: they and their manifest belong together.
    """
    version = destination.version(keys.manifest(manifest.document.key))
    if destination.sizes(keys.document_folder(manifest.document.key), TEXTS):
        return
    with contextlib.suppress(PreconditionFailed):  # another run wrote one in the meantime: it is newer
        _write_manifest(destination, manifest, version)


def _covers(
    destination: ObjectStore,
    prior: PriorManifest | None,
    document: Document,
    recipe: Recipe,
    numbers: Collection[int],
) -> bool:
    """Whether a manifest has a result for all pages, and its texts are there; only then are their sizes asked for."""
    if prior is None or not prior.covers(document, recipe, numbers):
        return False
    return prior.describes(destination.sizes(keys.document_folder(document.key), TEXTS))


def _write_manifest(destination: ObjectStore, manifest: Manifest, if_version: str) -> None:
    key, body = keys.manifest(manifest.document.key), manifest.to_json().encode()
    destination.write(key, body, content_type="application/json", if_version=if_version)


@dataclass(frozen=True, slots=True)
class _Published:
    """The published objects of a document as they are now, of any run."""

    markdown_version: str
    jsonl_version: str
    manifest: StoredObject | None
    prior: PriorManifest | None

    @classmethod
    def read(cls, destination: ObjectStore, document_key: str) -> _Published:
        with ThreadPoolExecutor(_READERS) as readers:  # in parallel: each takes a bucket tens of milliseconds
            manifest = readers.submit(destination.read, keys.manifest(document_key))
            texts = [keys.markdown(document_key), keys.pages_jsonl(document_key)]
            markdown_version, jsonl_version = readers.map(destination.version, texts)
            stored = manifest.result()
        return cls(markdown_version, jsonl_version, stored, read_prior_manifest(stored.data) if stored else None)


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts to publish, in temporary files."""

    markdown: IO[bytes]
    jsonl: IO[bytes]
    tally: Tally

    def described(self) -> dict[str, PublishedText]:
        """Their sizes and digests, by name."""
        return {name: _described(file) for name, file in zip(TEXTS, (self.markdown, self.jsonl), strict=True)}


@contextlib.contextmanager
def _assembled(results: Iterable[PageResult]) -> Iterator[_Texts]:
    with (
        temporary_files(),  # outermost: a file that could not be written fails once more when it is closed
        tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as markdown,
        tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as jsonl,
    ):
        tally = Tally()
        for result in results:
            tally.add(result)
            markdown.write(assembly.markdown(result).encode())
            jsonl.write(assembly.to_json(result).encode())
        yield _Texts(markdown, jsonl, tally)


def _described(file: IO[bytes]) -> PublishedText:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return PublishedText(size, digest.hexdigest())


def _replace(destination: ObjectStore, current: _Published, texts: _Texts, manifest: Manifest) -> int:
    """Write the three objects over their current versions, the manifest last; return how many were written."""
    key, written = manifest.document.key, 0
    with contextlib.suppress(PreconditionFailed):
        kind, version = "text/markdown; charset=utf-8", current.markdown_version
        destination.write(keys.markdown(key), texts.markdown, content_type=kind, if_version=version)
        written += 1
        kind, version = "application/jsonl", current.jsonl_version
        destination.write(keys.pages_jsonl(key), texts.jsonl, content_type=kind, if_version=version)
        written += 1
        _write_manifest(destination, manifest, current.manifest.version if current.manifest else ABSENT)
        written += 1
    return written

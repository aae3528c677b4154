"""Checkpoints: one object for each finished page, below a key of document version and recipe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status
from pagemill.domain.pages.planning import page_chunks
from pagemill.domain.pages.refused import RefusedTexts, read_refused
from pagemill.errors import PreconditionFailed, Transient
from pagemill.ports import ABSENT, ObjectStore

_READERS = 8
_READ_AHEAD = 64  # checkpoints held in memory at once


class CheckpointsDamaged(Transient):
    """Pages that were taken for finished are not. Their checkpoints are discarded: the pages can be read again."""

    def __init__(self, pages: Mapping[int, PageResult]) -> None:
        """Keep what the pages come to if they are not read again.

        Args:
            pages: A failed result with the reason, by page number.
        """
        super().__init__("; ".join(reason for page in pages.values() for reason in page.objections))
        self.pages = pages


@dataclass(frozen=True, slots=True)
class ListedPages:
    """What an earlier run has left of a document."""

    done: frozenset[int]  # pages with a checkpoint
    refused: frozenset[int]  # pages with refused transcripts


@dataclass(frozen=True, slots=True)
class StandingResult:
    """A page's result, and the version of its checkpoint."""

    result: PageResult
    version: str


class Checkpoints:
    """The checkpoints of one recipe. Every method blocks: call them from a thread."""

    def __init__(self, destination: ObjectStore, recipe: Recipe) -> None:
        """Configure; nothing is read yet."""
        self.destination = destination
        self.recipe = recipe

    def pages(self, document: Document, page_count: int) -> frozenset[int]:
        """The pages of a document that have a checkpoint. One listing, however many there are; none is read.

        Raises:
            StoreUnusable: The destination cannot be read.
        """
        listed = self.destination.keys(keys.checkpoints(document, self.recipe))
        numbers = map(keys.checkpoint_number, listed)
        return frozenset(number for number in numbers if number is not None and 1 <= number <= page_count)

    def listed(self, document: Document, page_count: int) -> ListedPages:
        """The pages of a document that have a checkpoint or refused transcripts; the same listing as `pages`.

        Raises:
            StoreUnusable: The destination cannot be read.
        """
        found = list(self.destination.keys(keys.checkpoints(document, self.recipe)))
        done, refused = map(keys.checkpoint_number, found), map(keys.refused_number, found)
        return ListedPages(
            frozenset(number for number in done if number is not None and 1 <= number <= page_count),
            frozenset(number for number in refused if number is not None and 1 <= number <= page_count),
        )

    def write(self, document: Document, result: PageResult, over: str = ABSENT) -> None:
        """Write the checkpoint of a page. A failed page gets none, so that the next run tries it again.

        Args:
            document: The document.
            result: Of the page.
            over: The version of the checkpoint that it replaces; `ABSENT`: there is none.

        Raises:
            StoreUnusable: The destination cannot be written.
        """
        if result.status is Status.FAILED:
            return
        key = keys.checkpoint(document, self.recipe, result.number)
        body = assembly.to_json(result).encode()
        with contextlib.suppress(PreconditionFailed):  # another run read the page first: its result is kept
            self.destination.write(key, body, content_type="application/json", if_version=over)

    def standing(self, document: Document, number: int) -> StandingResult | None:
        """The checkpoint of a page as it is now; None if there is none, or a damaged one, which is removed.

        Raises:
            StoreUnusable: The destination cannot be read.
        """
        key = keys.checkpoint(document, self.recipe, number)
        stored = self.destination.read(key)
        if stored is None:
            return None
        try:
            return StandingResult(_checked(assembly.from_json(stored.data), number), stored.version)
        except ValueError:
            self.destination.discard(key, if_version=stored.version)
            return None

    def amend(self, document: Document, before: PageResult, after: PageResult) -> bool:
        """Replace the checkpoint of a page, if it is still the one that was written; tell whether it was.

        Raises:
            StoreUnusable: The destination cannot be read or written.
        """
        standing = self.standing(document, before.number)
        if standing is None or standing.result != before:
            return False
        self.write(document, after, over=standing.version)
        return True

    def refused(self, document: Document, number: int) -> RefusedTexts | None:
        """The refused transcripts of a page; None if there are none, or nobody can read them any more.

        Raises:
            StoreUnusable: The destination cannot be read.
        """
        stored = self.destination.read(keys.refused(document, self.recipe, number))
        return read_refused(stored.data, number) if stored else None

    def write_refused(self, document: Document, texts: RefusedTexts) -> None:
        """Keep the refused transcripts of a page, over those of an earlier run.

        Raises:
            StoreUnusable: The destination cannot be written.
        """
        key = keys.refused(document, self.recipe, texts.number)
        self.destination.write(key, texts.to_json().encode(), content_type="application/json")

    def results(
        self, document: Document, numbers: Sequence[int], failed: Mapping[int, PageResult]
    ) -> Iterator[PageResult]:
        """The results of pages, in the order of `numbers`: from `failed`, else from their checkpoints.

        Several checkpoints are read at once, because each takes a bucket tens of milliseconds.

        Raises:
            CheckpointsDamaged: At the end, where a checkpoint is damaged or gone. All such pages are named.
            StoreUnusable: The destination cannot be read.
        """

        def result(number: int) -> PageResult:
            return failed.get(number) or self._read(document, number)

        damaged: dict[int, PageResult] = {}
        with ThreadPoolExecutor(_READERS) as readers:
            for chunk in page_chunks(numbers, size=_READ_AHEAD):
                for found in readers.map(result, chunk):
                    if found.status is Status.FAILED and found.number not in failed:
                        damaged[found.number] = found
                    else:
                        yield found
        if damaged:
            raise CheckpointsDamaged(damaged)

    def _read(self, document: Document, number: int) -> PageResult:
        """The result in a page's checkpoint. If it is not that page's, it is discarded, and the page is failed."""
        key = keys.checkpoint(document, self.recipe, number)
        stored = self.destination.read(key)
        if stored is None:
            return _failed(number, f"the page's checkpoint {self.destination.name}/{key} is gone")
        try:
            return _checked(assembly.from_json(stored.data), number)
        except ValueError as error:
            self.destination.discard(key, if_version=stored.version)
            problem = f"the page's checkpoint {self.destination.name}/{key} was damaged ({error}) and is removed"
            return _failed(number, problem)


def _checked(result: PageResult, number: int) -> PageResult:
    if result.number != number:
        raise ValueError(f"it is page {result.number}'s")
    if result.status is Status.FAILED:
        raise ValueError("failed pages have none")
    return result


def _failed(number: int, problem: str) -> PageResult:
    return PageResult(number, Status.FAILED, objections=(f"{problem}; run again to read the page",))

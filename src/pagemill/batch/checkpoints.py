"""Checkpoints: one object for each finished page, below a key of document version and recipe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status
from pagemill.domain.pages.planning import page_chunks
from pagemill.errors import PreconditionFailed
from pagemill.ports import ABSENT, ObjectStore

_READERS = 8
_READ_AHEAD = 64  # checkpoints held in memory at once


class Checkpoints:
    """The checkpoints of one recipe. Every method blocks: call them from a thread."""

    def __init__(self, destination: ObjectStore, recipe: Recipe) -> None:
        """Configure; nothing is read yet."""
        self.destination = destination
        self.recipe = recipe

    def pages(self, document: Document) -> frozenset[int]:
        """The pages that have a checkpoint. One listing, however many pages there are.

        Raises:
            StoreUnusable: The destination cannot be read.
        """
        listed = self.destination.keys(keys.checkpoints(document, self.recipe))
        numbers = map(keys.checkpoint_number, listed)
        return frozenset(number for number in numbers if number is not None)

    def write(self, document: Document, result: PageResult) -> None:
        """Write the checkpoint of a page. A failed page gets none, so that the next run tries it again.

        Raises:
            StoreUnusable: The destination cannot be written.
        """
        if result.status is Status.FAILED:
            return
        key = keys.checkpoint(document, self.recipe, result.number)
        body = assembly.to_json(result).encode()
        with contextlib.suppress(PreconditionFailed):  # another run read the page first: its result is kept
            self.destination.write(key, body, content_type="application/json", if_version=ABSENT)

    def results(
        self, document: Document, numbers: Sequence[int], failed: Mapping[int, PageResult]
    ) -> Iterator[PageResult]:
        """The results of pages, in the order of `numbers`: from `failed`, else from their checkpoints.

        Several checkpoints are read at once, because each takes a bucket tens of milliseconds.

        Raises:
            StoreUnusable: The destination cannot be read.
        """

        def result(number: int) -> PageResult:
            return failed.get(number) or self._read(document, number)

        with ThreadPoolExecutor(_READERS) as readers:
            for chunk in page_chunks(numbers, size=_READ_AHEAD):
                yield from readers.map(result, chunk)

    def _read(self, document: Document, number: int) -> PageResult:
        key = keys.checkpoint(document, self.recipe, number)
        stored = self.destination.read(key)
        try:
            return assembly.from_json(stored.data if stored else b"")
        except ValueError:
            problem = "is damaged" if stored else "is missing"
            reason = f"the page's checkpoint {self.destination.name}/{key} {problem}; delete it and run again"
            return PageResult(number, Status.FAILED, objections=(reason,))

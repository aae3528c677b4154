"""How much of the source is open before its pages are read: enough to keep the endpoint busy, and no more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

_GUESSED_PAGES = 8  # of a document, before any is counted


@dataclass(slots=True, eq=False)
class Place:
    """What an open document takes."""

    size_bytes: int  # of temporary space
    pages: int | None = None  # that wait to be read; None: not counted yet
    waits: bool = True  # for its turn to be read


class Ahead:
    """Admits documents to be opened, in the order they come.

    If no other document waits to be read, the next one is opened although there is no room for it, even beside a large
    one that is read: the endpoint always has a next document. So two documents may exceed the room for bytes.
    """

    def __init__(self, *, most_bytes: int, most_pages: int) -> None:
        """Configure; nothing is open.

        Args:
            most_bytes: Temporary space of all open documents.
            most_pages: Pages that wait to be read. Documents whose pages are not counted are taken for average ones.
        """
        self._most_bytes = most_bytes
        self._most_pages = most_pages
        self._places: set[Place] = set()
        self._counted, self._counted_pages = 1, _GUESSED_PAGES
        self._turn = asyncio.Lock()  # held by the one document that waits for room; the others wait for it
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def place(self, size_bytes: int) -> AsyncIterator[Place]:
        """Wait for room, and keep it until the context ends.

        Args:
            size_bytes: Temporary space that the document may take.
        """
        async with self._turn:
            while not self._has_room(size_bytes):
                self._changed.clear()
                await self._changed.wait()
            place = Place(size_bytes)
            self._places.add(place)
        try:
            yield place
        finally:
            self._places.discard(place)
            self._changed.set()

    def takes(self, place: Place, size_bytes: int) -> None:
        """Note how much temporary space a document takes in fact."""
        place.size_bytes = size_bytes
        self._changed.set()

    def wait_with(self, place: Place, pages: int) -> None:
        """Note how many pages of a document wait to be read."""
        place.pages = pages
        self._counted, self._counted_pages = self._counted + 1, self._counted_pages + pages
        self._changed.set()

    def begin(self, place: Place) -> None:
        """Note that a document's pages are being read."""
        place.waits = False
        self._changed.set()

    def _has_room(self, size_bytes: int) -> bool:
        sizes, waiting = [place.size_bytes for place in self._places], [place for place in self._places if place.waits]
        if not waiting:
            return sum(sizes) - max(sizes, default=0) <= self._most_bytes
        average = self._counted_pages / self._counted
        pages = sum(average if place.pages is None else place.pages for place in waiting)
        return sum(sizes) + size_bytes <= self._most_bytes and pages < self._most_pages

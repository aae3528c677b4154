"""The entries of a source, handed over in portions: a change of threads for each entry takes longer than to list it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from pagemill.domain.pages.model import Document, RejectedEntry

_PORTION_SECONDS = 0.01


class Listing:
    """Lists in whichever thread asks; one at a time."""

    def __init__(self, entries: Iterator[Document | RejectedEntry]) -> None:
        self._entries = entries
        self._error: Exception | None = None

    def portion(self, most: int) -> list[Document | RejectedEntry]:
        """The next entries: at least one, unless there is none left, and more only if they come at once; blocks.

        An error of the source is raised after the entries before it have been handed over.

        Args:
            most: How many are wanted. Each may be changed between its listing and its opening.

        Raises:
            Exception: Of the source.
        """
        if self._error:
            raise self._error
        taken: list[Document | RejectedEntry] = []
        until = time.monotonic() + _PORTION_SECONDS
        try:
            for entry in self._entries:
                taken.append(entry)
                if len(taken) >= most or time.monotonic() > until:
                    break
        except Exception as error:
            if not taken:
                raise
            self._error = error
        return taken


class Places:
    """How many entries may be in progress at once."""

    def __init__(self, most: int) -> None:
        self.free = most
        self._places = asyncio.Semaphore(most)

    async def take(self) -> None:
        """Take a place, once one is free."""
        await self._places.acquire()
        self.free -= 1

    def give_back(self, _: object = None) -> None:
        """Give a place back; can be called with a task that is done."""
        self.free += 1
        self._places.release()

"""Pages that are at the endpoint at the same time: an answer may hold text of another page of its batch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_TEXTS = 16  # that are kept for one page
_LONGEST_TEXT = 2**16  # characters; contamination stands at the end of a text, or is all of it

Texts = dict[object, str]  # by page: one that is asked for twice is one neighbour


@dataclass(eq=False, slots=True)
class Visit:
    """One request, from its send to its answer."""

    page: object  # of which page
    image: int  # digest of its image: equal pages of two documents have equal texts
    texts: Texts = field(default_factory=dict)  # of requests that ended meanwhile
    text: str = ""  # its own, once it is answered
    watches: list[Watch] = field(default_factory=list)

    def see(self, other: Visit) -> None:
        """Note the text of a request that ended meanwhile."""
        _note(self.texts, self.image, other)


class Watch:
    """A page that is answered, and the requests that had begun before: their texts are not known yet."""

    def __init__(self, image: int, open_visits: int) -> None:
        self.texts: Texts = {}  # of those that have ended
        self._image = image
        self._open = open_visits
        self._ended = asyncio.Event()
        if not open_visits:
            self._ended.set()

    async def ended(self) -> None:
        """Wait until all of them have ended."""
        await self._ended.wait()

    def end_one(self, other: Visit) -> None:
        """Note that one has ended, with a text or without."""
        _note(self.texts, self._image, other)
        self._open -= 1
        if not self._open:
            self._ended.set()


class Neighbours:
    """The requests that are at the endpoint now. Used on the event loop only; memory is bounded by their number."""

    def __init__(self) -> None:
        self._open: set[Visit] = set()

    @contextlib.contextmanager
    def visit(self, page: object, png: bytes) -> Iterator[Visit]:
        """Note a request as long as the context lasts. Its text, if it gets one, is set on the visit."""
        visit = Visit(page, hash(png))
        self._open.add(visit)
        try:
            yield visit
        finally:
            self._open.discard(visit)
            for other in self._open:
                other.see(visit)
            for watch in visit.watches:
                watch.end_one(visit)

    def watch(self, visit: Visit) -> Watch:
        """Follow the requests that are open now, for one that has ended."""
        watch = Watch(visit.image, len(self._open))
        for other in self._open:
            other.watches.append(watch)
        return watch


def _note(texts: Texts, image: int, other: Visit) -> None:
    """Add the text of another page, if it has one, and its image is another."""
    if other.text and other.image != image and (other.page in texts or len(texts) < _MOST_TEXTS):
        texts[other.page] = other.text[-_LONGEST_TEXT:]

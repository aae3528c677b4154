"""A rasterizer without PDFium: a document is a text file that says how many pages it has."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pagemill.domain.pages.model import STANDARD_PICTURE, CountedPdf, Picture, Piece, Rendering
from pagemill.errors import DocumentUnreadable, PageUnreadable, RenderingLost


class FakeRasterizer:
    """Renders page 3 of `a.pdf` as the bytes `a.pdf 3`.

    A file holds a number of pages, and may name pages that cannot be rendered, are blank, or are cut into pieces, as
    page 4 into two: `5 broken=2 blank=3 pieces=4:2`. No worker survives the pages of `lost=7-12`.
    """

    def __init__(self, *, image_bytes: int = 0) -> None:
        """Configure; images are padded to `image_bytes`."""
        self.rendered: Counter[tuple[str, int]] = Counter()
        self.held = 0
        self._image_bytes = image_bytes

    @asynccontextmanager
    async def counted(self, path: Path) -> AsyncIterator[CountedPdf]:
        """As many pages as the file says."""
        yield CountedPdf(path, await self.page_count(path))

    async def page_count(self, path: Path) -> int:
        """The number the file says."""
        words = _words(path)
        if not words or not words[0].isdigit():
            raise DocumentUnreadable("not a PDF")
        return int(words[0])

    async def render(self, path: Path, number: int, picture: Picture = STANDARD_PICTURE) -> Rendering:
        """The page, if it can be rendered. Other pictures of it say so: `a.pdf 3 x1.4 turned 90`."""
        await asyncio.sleep(0)
        name, other = _name(path), _described(picture)
        self.rendered[name, number] += 1
        words = _words(path)
        if any(number in _range(word) for word in words if word.startswith("lost=")):
            raise RenderingLost("rendering the page fails: took longer than 30 s and was stopped")
        if f"broken={number}" in words:
            raise PageUnreadable("the page is damaged")
        if f"blank={number}" in words:
            return Rendering(number, 10, 10, None, blank=True)
        if f"text={number}" in words:
            return Rendering(number, 10, 10, None, text="embedded text")
        for word in words:
            page, _, pieces = word.removeprefix("pieces=").partition(":")
            if word.startswith("pieces=") and int(page) == number:
                return Rendering(
                    number, 10, 10, None, pieces=self._pieces(name, f"{number}{other}", int(pieces)), dpi=100.0
                )
        if picture.halves:
            return Rendering(number, 10, 10, None, pieces=self._pieces(name, f"{number}{other}", 2), dpi=132.0)
        return Rendering(number, 10, 10, f"{name} {number}{other}".encode().ljust(self._image_bytes), dpi=132.0)

    def _pieces(self, name: str, number: str, count: int) -> tuple[Piece, ...]:
        """Piece 2 of page 3 of `a.pdf` is the bytes `a.pdf 3 piece 2`. Only the first is known to hold text."""
        images = [f"{name} {number} piece {piece}".encode().ljust(self._image_bytes) for piece in range(1, count + 1)]
        return tuple(Piece(image, may_be_empty=place > 0) for place, image in enumerate(images))


def _described(picture: Picture) -> str:
    larger = f" x{picture.magnification:g}" if picture.magnification != 1 else ""
    return larger + (f" turned {picture.turned}" if picture.turned else "")


def _range(word: str) -> range:
    first, _, last = word.partition("=")[2].partition("-")
    return range(int(first), int(last or first) + 1)


def _name(path: Path) -> str:
    """The name of the document's own file; the path may be a link to a descriptor."""
    return path.resolve().name.encode("utf-8", "backslashreplace").decode()


def _words(path: Path) -> list[str]:
    return path.read_text().split()

"""A rasterizer without PDFium: a document is a text file that says how many pages it has."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from pagemill.domain.pages.model import STANDARD_PICTURE, CountedPdf, Picture, Piece, Rendering
from pagemill.errors import DocumentUnreadable, PageUnreadable, RenderingLost


class FakeRasterizer:
    """Renders page 3 of `a.pdf` as the bytes `a.pdf 3`.

    A file holds a number of pages, and may name pages that cannot be rendered, are blank, or are cut into pieces, as
    page 4 into two: `5 broken=2 blank=3 pieces=4:2`. No worker survives the pages of `lost=7-12`.
    `ink=2:0.001` is the share of ink of page 2, `inner=2:0.001` that without its edges, `layer=2:two_words` its own
    text, and `damage=2:a_font` what is damaged on it.
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
        ink, layer = _of_page(words, "ink", number), _of_page(words, "layer", number).replace("_", " ")
        rendering = Rendering(
            number,
            1000,
            1000,
            None if picture.halves else f"{name} {number}{other}".encode().ljust(self._image_bytes),
            pieces=self._pieces(name, f"{number}{other}", 2, overlap=0.18) if picture.halves else (),
            dpi=132.0 * picture.magnification,
        )
        inner, damage = _of_page(words, "inner", number), _of_page(words, "damage", number)
        return replace(
            rendering,
            ink_share=float(ink) if ink else None,
            inner_ink_share=float(inner) if inner else None,
            layer=layer,
            objections=(damage,) if damage else (),
        )

    def _pieces(self, name: str, number: str, count: int, *, overlap: float = 0.0) -> tuple[Piece, ...]:
        """Piece 2 of page 3 of `a.pdf` is the bytes `a.pdf 3 piece 2`. Only the first is known to hold text."""
        images = [f"{name} {number} piece {piece}".encode().ljust(self._image_bytes) for piece in range(1, count + 1)]
        return tuple(
            Piece(image, overlap if place else 0.0, may_be_empty=place > 0) for place, image in enumerate(images)
        )


def _described(picture: Picture) -> str:
    larger = f" x{picture.magnification:g}" if picture.magnification != 1 else ""
    return larger + (f" turned {picture.turned}" if picture.turned else "")


def _of_page(words: list[str], name: str, number: int) -> str:
    """What the file says of a page; empty if it says nothing."""
    beginning = f"{name}={number}:"
    return next((word.removeprefix(beginning) for word in words if word.startswith(beginning)), "")


def _range(word: str) -> range:
    first, _, last = word.partition("=")[2].partition("-")
    return range(int(first), int(last or first) + 1)


def _name(path: Path) -> str:
    """The name of the document's own file; the path may be a link to a descriptor."""
    return path.resolve().name.encode("utf-8", "backslashreplace").decode()


def _words(path: Path) -> list[str]:
    return path.read_text().split()

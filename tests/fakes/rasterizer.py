"""A rasterizer without PDFium: a document is a text file that says how many pages it has."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from pagemill.domain.pages.model import Rendering
from pagemill.errors import DocumentUnreadable, PageUnreadable


class FakeRasterizer:
    """Renders page 3 of `a.pdf` as the bytes `a.pdf 3`.

    A file holds a number of pages, and may name pages that cannot be rendered, or are blank: `5 broken=2 blank=3`.
    """

    def __init__(self, *, image_bytes: int = 0) -> None:
        """Configure; images are padded to `image_bytes`."""
        self.rendered: Counter[tuple[str, int]] = Counter()
        self.held = 0
        self._image_bytes = image_bytes

    async def page_count(self, path: Path) -> int:
        """The number the file says."""
        words = _words(path)
        if not words or not words[0].isdigit():
            raise DocumentUnreadable("not a PDF")
        return int(words[0])

    async def render(self, path: Path, number: int) -> Rendering:
        """The page, if it can be rendered."""
        await asyncio.sleep(0)
        self.rendered[path.name, number] += 1
        words = _words(path)
        if f"broken={number}" in words:
            raise PageUnreadable("the page is damaged")
        if f"blank={number}" in words:
            return Rendering(number, 10, 10, None, blank=True)
        if f"text={number}" in words:
            return Rendering(number, 10, 10, None, text="embedded text")
        return Rendering(number, 10, 10, f"{path.name} {number}".encode().ljust(self._image_bytes))


def _words(path: Path) -> list[str]:
    return path.read_text().split()

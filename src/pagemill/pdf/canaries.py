"""The pages that prove a service: bundled with their true text, and drawn as a batch draws its own."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from pagemill.domain.service.canary import CanaryPage
from pagemill.pdf.rasterizer import PdfiumRasterizer

_PAGE_BREAK = "\f"


async def canary_pages(rasterizer: PdfiumRasterizer) -> list[CanaryPage]:
    """Draw every page that has ink, in the order of names and numbers.

    Raises:
        PageUnreadable: One cannot be drawn.
    """
    pages = []
    with importlib.resources.as_file(importlib.resources.files("pagemill") / "canary") as folder:
        for pdf in sorted(Path(folder).glob("*.pdf")):  # noqa: ASYNC240 -- a handful of bundled files
            truths = (folder / f"{pdf.stem}.txt").read_text(encoding="utf-8").split(_PAGE_BREAK)
            for number, truth in enumerate(truths, start=1):
                drawn = await rasterizer.render(pdf, number)
                if drawn.png:
                    pages.append(CanaryPage(f"{pdf.stem} p. {number}", drawn.png, truth))
    return pages

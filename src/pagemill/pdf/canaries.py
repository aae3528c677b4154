"""The canary pages that verify a service: bundled with their true text, and rendered as a batch renders its pages."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from pagemill.domain.service.canary import CanaryPage
from pagemill.pdf.rasterizer import PdfiumRasterizer

_PAGE_BREAK = "\f"


async def canary_pages(rasterizer: PdfiumRasterizer) -> list[CanaryPage]:
    """Render every page that has ink, in the order of file names and page numbers.

    Raises:
        PageUnreadable: A page cannot be rendered.
    """
    pages = []
    with importlib.resources.as_file(importlib.resources.files("pagemill") / "canary") as folder:
        for pdf in sorted(Path(folder).glob("*.pdf")):  # noqa: ASYNC240 -- a handful of bundled files
            truths = (folder / f"{pdf.stem}.txt").read_text(encoding="utf-8").split(_PAGE_BREAK)
            for number, truth in enumerate(truths, start=1):
                rendering = await rasterizer.render(pdf, number)
                if rendering.png:
                    pages.append(CanaryPage(f"{pdf.stem} p. {number}", rendering.png, truth))
    return pages

"""The texts of the canary pages, by image: what the server of a revision can read."""

from __future__ import annotations

import asyncio

from pagemill.domain.service.canary import CanaryPage
from pagemill.pdf.canaries import canary_pages
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.fakes.ocr_endpoint import image_name


def rendered_canaries() -> list[CanaryPage]:
    """The pages as the deployment renders them."""
    return asyncio.run(_rendered())


def canary_texts() -> dict[str, str]:
    """The known text of every canary page, by its image's pixels."""
    return {image_name(page.png): page.truth for page in rendered_canaries()}


async def _rendered() -> list[CanaryPage]:
    options = RenderOptions(longest_edge_px=1540, max_dpi=300, skip_blank=True, prefer_text=False)
    async with PdfiumRasterizer(workers=1, page_seconds=30.0, memory_bytes=2**31, options=options) as rasterizer:
        return await canary_pages(rasterizer)

from __future__ import annotations

from pathlib import Path

import pytest

from pagemill.pdf.canaries import canary_pages
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer

_CANARY = Path(__file__).parents[1] / "src" / "pagemill" / "canary"


@pytest.mark.parametrize("path", sorted(_CANARY.iterdir()), ids=lambda path: path.name)
def test_a_canary_is_the_sample_of_its_name(path: Path, samples: Path) -> None:
    assert path.read_bytes() == (samples / path.name).read_bytes()


async def test_every_canary_page_is_rendered_and_has_its_true_text() -> None:
    options = RenderOptions(longest_edge_px=1540, max_dpi=300, skip_blank=True, prefer_text=False)
    async with PdfiumRasterizer(workers=1, page_seconds=30.0, memory_bytes=2**31, options=options) as rasterizer:
        pages = await canary_pages(rasterizer)

    assert len(pages) == 8
    assert all(len(page.truth.split()) > 50 for page in pages)
    assert len({page.png for page in pages}) == len(pages)

"""Pages with little on them, and a model that makes up a page of text for each: no such text is `ok`."""

from __future__ import annotations

import asyncio
import json

import pytest

from pagemill.domain.pages.model import Status
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.witness.looking import Looker
from tests.batch.conftest import Mill
from tests.fakes.doubtful_model import invented_page
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint
from tests.sparse_pages import sparse_pages, write_scans

_SEED = 4


class _Witness:
    """What a witness worker does, in a thread of this process."""

    name = "in this process"

    def __init__(self) -> None:
        self._looker = Looker()

    async def regions(self, png: bytes) -> int | None:
        """Count what may be text."""
        return await asyncio.to_thread(self._looker.regions, png)

    async def turned(self, png: bytes) -> int | None:
        """Take every page for upright."""
        del png
        return 0


@pytest.mark.ocr
async def test_no_invented_page_is_ok_and_no_page_with_content_is_blank(mill: Mill) -> None:
    pages = list(sparse_pages(seed=_SEED))
    write_scans(mill.source / "sparse.pdf", pages)
    mill.witness = _Witness()
    options = RenderOptions()

    async with (
        PdfiumRasterizer(workers=1, page_seconds=60, memory_bytes=2**31, options=options) as mill.rasterizer,
        FakeEndpoint(lambda request: Answer(text=invented_page(request.index))) as endpoint,
    ):
        summary = await mill.run(endpoint)

    lines = (mill.out / "sparse.pdf/pages.jsonl").read_text().splitlines()
    results = {page.kind: json.loads(line) for page, line in zip(pages, lines, strict=True)}
    assert summary.pages == len(pages) == sum(summary.statuses.values())
    assert not summary.statuses[Status.OK]
    blank = {kind for kind, result in results.items() if result["status"] == Status.BLANK}
    assert blank
    assert not blank & {page.kind for page in pages if page.has_content}

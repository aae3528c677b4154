"""Runs whose render workers are taken over by a page: it fails, and nothing else."""

from __future__ import annotations

import psutil
import pytest

from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.pdfs import numbered_pdf

pytestmark = [pytest.mark.usefixtures("importable_tests"), pytest.mark.slow]

_MOST_BYTES = 2**26  # what the largest answers take


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("pickle", "a frame of kind 128"),
        ("length", "a head of 4,294,967,295 bytes"),
        ("neighbour", "page 1 instead of page 2"),
        ("endless", "Invalid JSON"),
    ],
)
async def test_a_page_whose_worker_sends_anything_else_than_its_rendering_fails_alone(
    mill: Mill, kind: str, says: str
) -> None:
    document = numbered_pdf(mill.source / f"{kind}.pdf", 3)
    before = psutil.Process().memory_info().rss
    rasterizer = PdfiumRasterizer(
        workers=1,
        page_seconds=30.0,
        memory_bytes=2 * 2**30,
        options=RenderOptions(),
        worker_module="tests.fakes.hostile_render_worker",
    )

    async with FakeEndpoint() as endpoint, rasterizer as mill.rasterizer:
        summary = await mill.run(endpoint)

    statuses = {str(status): number for status, number in summary.statuses.items() if number}
    assert statuses == {"ok": 2, "failed": 1}
    (failure,) = (failed for outcome in summary.outcomes for failed in outcome.failures.values())
    assert "sent something that is no answer, and was stopped" in failure
    assert says in failure
    assert not document.with_suffix(".mark").exists()
    assert psutil.Process().memory_info().rss - before < _MOST_BYTES

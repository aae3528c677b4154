"""Real hostile files through the real rasterizer: each gets its line, no neighbour is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.hostile_pdfs import HOSTILE, ten_thousand_pages
from tests.pdfs import numbered_pdf

_HANGS = "nested-forms.pdf"


def _rasterizer(**limits: float) -> PdfiumRasterizer:
    return PdfiumRasterizer(
        workers=2, page_seconds=limits.get("page_seconds", 30.0), memory_bytes=2 * 2**30, options=RenderOptions()
    )


def _said_of(folder: Path) -> str:
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest["error"] or "; ".join(failure["reason"] for failure in manifest["failures"])


@pytest.mark.slow
async def test_every_hostile_file_gets_a_clear_line_and_no_neighbour_is_lost(mill: Mill) -> None:
    hostile = {name: entry for name, entry in HOSTILE.items() if name != _HANGS}

    summary = await _run(mill, hostile, _rasterizer(page_seconds=120.0))

    for name, (_, says) in hostile.items():
        said = _said_of(mill.out / name)
        assert (says in said) if says else not said, (name, said)
    assert summary.documents == len(hostile) + 1


@pytest.mark.slow
async def test_a_file_that_hangs_the_renderer_gets_a_clear_line_and_no_neighbour_is_lost(mill: Mill) -> None:
    await _run(mill, {_HANGS: HOSTILE[_HANGS]}, _rasterizer(page_seconds=4.0))

    said = HOSTILE[_HANGS][1]
    assert said
    assert said in _said_of(mill.out / _HANGS)


async def _run(
    mill: Mill, hostile: dict[str, tuple[Callable[[Path], None], str | None]], rasterizer: PdfiumRasterizer
) -> RunSummary:
    """Read hostile files and a good one."""
    for name, (write, _) in hostile.items():
        write(mill.source / name)
    numbered_pdf(mill.source / "neighbour.pdf", 5)
    async with FakeEndpoint() as endpoint, rasterizer:
        mill.rasterizer = rasterizer
        summary = await mill.run(endpoint)

    assert summary.stopped_by is None
    assert (mill.out / "neighbour.pdf/document.md").read_text().count("# Page ") == 5
    assert summary.pages == sum(outcome.pages for outcome in summary.outcomes)
    return summary


async def test_the_last_pages_of_ten_thousand_are_found_without_reading_the_others(mill: Mill) -> None:
    ten_thousand_pages(mill.source / "long.pdf")

    async with FakeEndpoint() as endpoint, _rasterizer() as rasterizer:
        mill.rasterizer = rasterizer
        summary = await mill.run(endpoint, pages="9998-")

    assert +Counter(summary.statuses) == {Status.OK: 3}
    assert [outcome.key for outcome in summary.outcomes] == ["long.pdf"]

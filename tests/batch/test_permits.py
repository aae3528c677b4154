"""Permits of pages: whatever one page meets, no other page is ended by it, and the run comes to its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from pagemill.batch.chunks import BatchLimits, PageChunk
from pagemill.domain.pages.model import STANDARD_PICTURE, Picture, Rendering, Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import (
    OutOfResources,
    PagemillError,
    PreconditionFailed,
    RequestRejected,
    ShardLost,
    WorkerLost,
)
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.fakes.rasterizer import FakeRasterizer

_FEW = BatchLimits(pages=4, chunk_pages=10)  # a run that keeps four permits stands still


class FailingRasterizer(FakeRasterizer):
    """Raises an error for each third page, while the next ones wait for their turn."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def render(self, path: Path, number: int, picture: Picture = STANDARD_PICTURE) -> Rendering:
        """The page, or the error."""
        rendering = await super().render(path, number, picture)
        if number % 3 == 0:
            raise type(self._error)(*self._error.args)
        return rendering


async def _run(mill: Mill) -> RunSummary:
    """Run over two documents; a run that stands still ends the test."""
    mill.add("a.pdf", "30")
    mill.add("b.pdf", "30")
    async with asyncio.timeout(60), FakeEndpoint() as endpoint:
        return await mill.run(endpoint, limits=_FEW)


@pytest.mark.parametrize(
    "error",
    [
        PagemillError("something of ours"),
        RequestRejected("not this one"),
        PreconditionFailed("somebody was first"),
        WorkerLost("the rasterizer is closed"),
        ShardLost("elsewhere"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_of_ours_that_a_page_meets_is_that_pages_reason(mill: Mill, error: PagemillError) -> None:
    mill.rasterizer = FailingRasterizer(error)

    summary = await _run(mill)

    assert +Counter(summary.statuses) == {Status.OK: 40, Status.FAILED: 20}
    assert {reason for outcome in summary.outcomes for reason in outcome.failures.values()} == {str(error)}
    assert [outcome.error for outcome in summary.outcomes] == ["", ""]


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("division by zero"), KeyError("\ud800"), ExceptionGroup("two", [OSError()])]
)
async def test_a_defect_that_a_page_meets_costs_that_page_and_asks_for_a_report(mill: Mill, error: Exception) -> None:
    mill.rasterizer = FailingRasterizer(error)

    summary = await _run(mill)

    assert +Counter(summary.statuses) == {Status.OK: 40, Status.FAILED: 20}
    reasons = [reason for outcome in summary.outcomes for reason in outcome.failures.values()]
    assert all(f"an unforeseen error: {type(error).__name__}" in reason for reason in reasons)
    assert all("please report it" in reason for reason in reasons)


async def test_a_page_that_meets_a_full_machine_stops_the_run_and_is_not_to_blame(mill: Mill) -> None:
    mill.rasterizer = FailingRasterizer(MemoryError())

    summary = await _run(mill)

    assert isinstance(summary.stopped_by, OutOfResources)
    assert not summary.statuses[Status.FAILED]


async def test_a_document_whose_folder_cannot_be_made_costs_itself_and_keeps_no_permit(mill: Mill) -> None:
    mill.out.mkdir()
    (mill.out / "a.pdf").mkdir()
    (mill.out / "a.pdf/pages").write_text("a file where a folder should be")

    summary = await _run(mill)

    assert [bool(outcome.error) for outcome in summary.outcomes] == [True, False]
    assert "pages" in summary.outcomes[0].error
    assert summary.stopped_by is None
    assert +Counter(summary.statuses) == {Status.OK: 30}


async def test_a_chunk_that_is_cancelled_gives_back_all_its_permits(mill: Mill) -> None:
    mill.add("a.pdf", "30")

    async with asyncio.timeout(60), FakeEndpoint() as endpoint, mill.batch(endpoint.url, limits=_FEW) as batch:

        async def perform(chunk: PageChunk) -> None:
            cancelled = asyncio.create_task(batch.read(chunk))
            await asyncio.sleep(0)  # its first pages are created, and the others wait for permits
            cancelled.cancel()
            await asyncio.wait([cancelled])
            await batch.read(chunk)

        summary = await batch.run("run", perform)

    assert summary.statuses[Status.OK] == 30

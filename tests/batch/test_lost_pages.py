"""Documents of which no render worker survives page after page: after some, the rest is not tried."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from pagemill.batch.chunks import BatchLimits
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.planning import parse_pages
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import FakeEndpoint

_AT_ONCE = 4  # pages that the render workers have at once


@pytest.mark.parametrize("chunk_pages", [200, 6])
async def test_a_document_that_loses_page_after_page_is_given_up_after_ten_and_says_why(
    mill: Mill, chunk_pages: int
) -> None:
    mill.add("a.pdf", "400 lost=1-400")
    mill.add("b.pdf", "5")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, limits=BatchLimits(chunk_pages=chunk_pages))

    assert +Counter(summary.statuses) == {Status.OK: 5, Status.FAILED: 400}
    tried = [number for name, number in mill.rasterizer.rendered if name == "a.pdf"]
    assert 10 <= len(tried) < 10 + _AT_ONCE
    reasons = summary.outcomes[0].failures
    assert reasons[1] == "rendering the page fails: took longer than 30 s and was stopped"
    said = re.fullmatch(
        r"not rendered, because 10 pages in a row \(pages (.+)\) could not be: rendering the page fails: took longer "
        r"than 30 s and was stopped; for the others type --pages (\d+)-, or set a larger PAGEMILL_PAGE_SECONDS",
        reasons[400],
    )
    assert said
    lost = parse_pages(said[1]).of(400)
    assert len(lost) == 10
    assert max(lost) == int(said[2]) - 1 < 10 + _AT_ONCE


@pytest.mark.parametrize(
    "content",
    [
        "40 lost=1-9 lost=11-19 lost=21-29",
        "40 lost=1-9 broken=10 lost=11-19",
        "40 lost=1-9 blank=10 lost=11-19",
        f"40 {' '.join(f'lost={number}' for number in range(1, 41, 2))}",
    ],
    ids=["nine each", "an unreadable page between", "a blank page between", "every other page"],
)
async def test_pages_that_are_lost_among_others_give_no_page_up(mill: Mill, content: str) -> None:
    mill.rendering = 1  # the order in which pages come back is that of their numbers
    mill.add("a.pdf", content)

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.pages == 40
    assert len(mill.rasterizer.rendered) == 40


async def test_the_pages_after_those_that_were_lost_can_be_read_by_their_numbers(mill: Mill) -> None:
    mill.add("a.pdf", "30 lost=1-10")

    async with FakeEndpoint() as endpoint:
        first = await mill.run(endpoint)
        second = await mill.run(endpoint, pages="15-")

    assert first.statuses[Status.FAILED] >= 30 - _AT_ONCE
    assert second.statuses[Status.OK] == 16


async def test_the_next_run_tries_the_document_again(mill: Mill) -> None:
    mill.add("a.pdf", "30 lost=1-30")

    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        tried = mill.rasterizer.rendered.total()
        await mill.run(endpoint)

    assert mill.rasterizer.rendered.total() >= tried + 10

"""A batch that begins before its orchestrator is there."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from pagemill.batch.chunks import PageChunk
from pagemill.batch.head_start import HeadStart, ReadsChunks
from pagemill.domain.pages.model import Status
from pagemill.errors import StoreUnusable, UsageError
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import HANG, Answer, FakeEndpoint, Request

_where: ContextVar[str] = ContextVar("where", default="nowhere")


class Orchestrator:
    """Notes the chunks that it performs, and in which context."""

    def __init__(self) -> None:
        self.performed: list[tuple[str, str]] = []

    async def perform(self, reader: ReadsChunks, chunk: PageChunk) -> None:
        await reader.read(chunk)
        self.performed.append((chunk.document.key, _where.get()))


class Sent:
    """Notes that a page has been sent."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.once = asyncio.Event()
        self._answer = answer

    def __call__(self, _: Request) -> Answer | None:
        self.once.set()
        return self._answer


async def test_pages_are_sent_before_the_orchestrator_is_there_and_it_performs_all_chunks(mill: Mill) -> None:
    names = [f"{number}.pdf" for number in range(40)]  # more than are open at once
    for name in names:
        mill.add(name, "2")
    sent, orchestrator = Sent(), Orchestrator()

    async with (
        asyncio.timeout(60),
        FakeEndpoint(sent) as endpoint,
        mill.batch(endpoint.url) as batch,
        HeadStart(batch, "a-run") as head_start,
    ):
        await sent.once.wait()
        _where.set("in the flow")
        summary = await head_start.joined(orchestrator.perform)

    assert summary.statuses[Status.OK] == 80
    assert sorted(orchestrator.performed) == sorted((name, "in the flow") for name in names)


async def test_a_run_that_stops_early_does_not_wait_for_the_orchestrator(mill: Mill) -> None:
    mill.source.rmdir()
    never = asyncio.create_task(asyncio.Event().wait())

    async with mill.batch("http://127.0.0.1:9") as batch, HeadStart(batch, "a-run") as head_start:
        summary = await head_start.until(never)

    never.cancel()
    assert summary
    assert isinstance(summary.stopped_by, StoreUnusable)


async def test_a_run_with_nothing_to_read_is_still_handed_to_the_orchestrator(mill: Mill) -> None:
    mill.add("a.pdf", "1")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
    orchestrator = Orchestrator()

    async with mill.batch("http://127.0.0.1:9") as batch, HeadStart(batch, "a-run") as head_start:
        assert await head_start.until(asyncio.create_task(asyncio.sleep(0))) is None
        summary = await head_start.joined(orchestrator.perform)

    assert summary.reused == 1
    assert orchestrator.performed == []


async def test_an_orchestrator_that_does_not_start_ends_the_run_and_what_is_in_flight(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    sent = Sent(HANG)

    async def starting() -> None:
        await sent.once.wait()
        raise UsageError("it does not start")

    async with FakeEndpoint(sent) as endpoint, mill.batch(endpoint.url) as batch, asyncio.timeout(60):
        with pytest.raises(UsageError, match="it does not start"):
            async with HeadStart(batch, "a-run") as head_start:
                await head_start.until(asyncio.create_task(starting()))

    assert mill.progress.in_flight == 0


async def test_whoever_joins_and_is_cancelled_cancels_what_has_begun(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    sent, orchestrator = Sent(HANG), Orchestrator()

    async with (
        asyncio.timeout(60),
        FakeEndpoint(sent) as endpoint,
        mill.batch(endpoint.url) as batch,
        HeadStart(batch, "a-run") as head_start,
    ):
        await sent.once.wait()
        joining = asyncio.create_task(head_start.joined(orchestrator.perform))
        await asyncio.sleep(0)  # it has joined
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining

    assert mill.progress.in_flight == 0
    assert orchestrator.performed == []

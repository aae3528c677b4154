"""What an endpoint in trouble costs: time. Only a page that a working endpoint cannot read costs itself."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pagemill.domain.pages.model import STANDARD_PICTURE, Picture, Rendering, Status
from pagemill.errors import EndpointNeverAnswered, StoreUnusable, UsageError
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import DEATH, HANG, RESET, Answer, FakeEndpoint, Request, failing, image_name
from tests.fakes.rasterizer import FakeRasterizer


def _poison(*images: bytes, answer: Answer) -> Callable[[Request], Answer | None]:
    names = {image_name(image) for image in images}
    return lambda request: answer if request.image in names else None


def _failures(mill: Mill, name: str) -> dict[int, str]:
    manifest = json.loads((mill.out / name / "manifest.json").read_text())
    return {failure["page"]: failure["reason"] for failure in manifest["failures"]}


async def test_no_page_is_sent_before_the_endpoint_is_ready_and_pages_are_drawn_meanwhile(mill: Mill) -> None:
    mill.add("a.pdf", "30")
    drawn_when_ready: list[int] = []

    def healthy() -> bool:
        if mill.rasterizer.rendered.total() < 24:
            assert endpoint.record.requests == 0
            return False
        drawn_when_ready.append(mill.rasterizer.rendered.total())
        return True

    async with FakeEndpoint(healthy=healthy) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 30 == endpoint.record.requests
    assert drawn_when_ready == [24]  # all that may be drawn ahead; then one probe was enough
    assert endpoint.record.paths["/v1/models"] == 1


async def test_progress_says_what_the_run_waits_for(mill: Mill) -> None:
    mill.add("a.pdf", "1")
    said: list[str] = []

    def healthy() -> bool:
        said.append(mill.progress.activity)
        return len(said) > 1

    async with FakeEndpoint(healthy=healthy) as endpoint:
        await mill.run(endpoint)

    assert said[1] == "waiting for the endpoint, 5 s more at most: the endpoint answered 503 On order"
    assert mill.progress.activity == "finished"


async def test_progress_says_that_the_embedded_engine_starts_instead_of_its_answers(mill: Mill) -> None:
    mill.add("a.pdf", "1")
    mill.embedded = True
    said: list[str] = []

    def healthy() -> bool:
        said.append(mill.progress.activity)
        return len(said) > 1

    async with FakeEndpoint(healthy=healthy) as endpoint:
        await mill.run(endpoint)

    assert said[1] == "starting the embedded engine"


async def test_a_batch_without_ink_never_wakes_the_endpoint(mill: Mill) -> None:
    mill.add("a.pdf", "2 blank=1 text=2")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.complete
    assert not endpoint.record.paths


class _DrawsWhenAsked(FakeRasterizer):
    def __init__(self) -> None:
        super().__init__()
        self.may_draw = asyncio.Event()

    async def render(self, path: Path, number: int, picture: Picture = STANDARD_PICTURE) -> Rendering:
        await self.may_draw.wait()
        return await super().render(path, number, picture)


async def test_an_endpoint_that_embedded_is_woken_before_the_first_page_is_drawn(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    mill.rasterizer = _DrawsWhenAsked()
    mill.embedded = True

    def healthy() -> bool:
        mill.rasterizer.may_draw.set()
        return True

    async with FakeEndpoint(healthy=healthy) as endpoint, asyncio.timeout(30):
        assert (await mill.run(endpoint)).complete


async def test_an_endpoint_that_embedded_is_not_woken_where_nothing_is_left_to_read(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    mill.embedded = True
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)

    async with FakeEndpoint() as another:
        assert (await mill.run(another)).complete

    assert not another.record.paths


async def test_a_flaky_endpoint_costs_no_page_and_no_attempt_is_counted_against_any(mill: Mill) -> None:
    mill.add("a.pdf", "400")
    rng = random.Random(3)  # noqa: S311 -- a schedule of faults

    def answer(_: Request) -> Answer | None:
        return rng.choices([None, failing(429), failing(503), RESET], weights=[88, 5, 5, 2])[0]

    async with FakeEndpoint(answer) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 400}
    assert summary.complete
    assert endpoint.record.requests > 420


async def test_a_page_that_stopping_servers_give_up_more_often_than_it_may_be_asked_for_is_read_all_the_same(
    mill: Mill,
) -> None:
    mill.add("a.pdf", "3")

    def answer(request: Request) -> Answer | None:
        return Answer(text="half a", finish_reason="abort") if request.nth_of_image < 4 else None

    async with FakeEndpoint(answer) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 3}


async def test_no_page_is_sent_while_the_endpoint_fails(mill: Mill) -> None:
    mill.add("a.pdf", "40")
    sick = {"for": 0}
    sent_while_sick: list[int] = []

    def healthy() -> bool:
        sent_while_sick.append(endpoint.record.requests)
        sick["for"] = max(sick["for"] - 1, 0)
        return not sick["for"]

    def answer(request: Request) -> Answer | None:
        if request.index != 20:
            return None
        sick["for"] = 10
        return failing(503)

    async with FakeEndpoint(answer, healthy=healthy) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 40
    assert len(sent_while_sick) == 11  # one to wake it, ten until it was well
    assert max(sent_while_sick) <= 20 + 7  # what was in flight


async def test_an_endpoint_that_sends_retry_after_gets_no_request_before(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    asked: list[float] = []

    def healthy() -> bool:
        asked.append(time.monotonic())
        return True

    async with FakeEndpoint(
        lambda request: failing(429, **{"Retry-After": "1"}) if request.index == 1 else None, healthy=healthy
    ) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 3
    assert asked[1] - asked[0] >= 1.0


@pytest.mark.parametrize("answer", [failing(500, "engine died"), RESET, HANG, DEATH], ids=lambda answer: answer.kind)
async def test_a_poison_page_fails_with_its_history_after_five_sends_and_all_others_are_read(
    mill: Mill, answer: Answer
) -> None:
    mill.answer_seconds = 0.2 if answer is HANG else 30.0
    mill.add("a.pdf", "12")
    mill.add("b.pdf", "30")
    poison = b"a.pdf 4"

    async with FakeEndpoint(_poison(poison, answer=answer), latency_seconds=0.005) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 41, Status.FAILED: 1}
    assert summary.stopped_by is None
    assert endpoint.record.sent[image_name(poison)] == 5
    assert "times)" in _failures(mill, "a.pdf")[4]


async def test_a_poison_page_that_is_the_only_page_is_distinguished_from_an_outage(mill: Mill) -> None:
    mill.add("a.pdf", "1")

    async with FakeEndpoint(_poison(b"a.pdf 1", answer=DEATH)) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.FAILED: 1}
    assert endpoint.record.sent[image_name(b"a.pdf 1")] == 5
    assert endpoint.record.requests == 5 + 1  # and a harmless image, which it read


async def test_several_poison_pages_in_flight_together_are_found_one_by_one(mill: Mill) -> None:
    mill.add("a.pdf", "20")
    poison = [f"a.pdf {number}".encode() for number in (2, 3, 5, 20)]

    async with FakeEndpoint(_poison(*poison, answer=DEATH), dead_seconds=0.02, latency_seconds=0.002) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 16, Status.FAILED: 4}
    assert all(endpoint.record.sent[image_name(image)] <= 5 for image in poison)
    assert sorted(_failures(mill, "a.pdf")) == [2, 3, 5, 20]


@pytest.mark.parametrize("answer", [failing(500), failing(503), RESET, DEATH], ids=["500", "503", "reset", "death"])
async def test_an_endpoint_that_reads_nothing_ends_the_run_and_fails_no_page(mill: Mill, answer: Answer) -> None:
    mill.patience = replace(mill.patience, silence_seconds=0.5)
    mill.add("a.pdf", "30")

    async with FakeEndpoint(lambda request: None if request.index <= 10 else answer, dead_seconds=0.01) as endpoint:
        summary = await mill.run(endpoint)

    assert isinstance(summary.stopped_by, EndpointNeverAnswered)
    assert "read no page for 0.5 s" in str(summary.stopped_by)
    assert +Counter(summary.statuses) == {Status.OK: 10}
    assert not (mill.out / "a.pdf/manifest.json").exists()


async def test_an_outage_in_the_middle_of_a_run_costs_no_page(mill: Mill) -> None:
    mill.add("a.pdf", "60")
    deaths = iter([15, 40, 41])
    next_death = next(deaths)

    def answer(request: Request) -> Answer | None:
        nonlocal next_death
        if request.index != next_death:
            return None
        next_death = next(deaths, 0)
        return DEATH

    async with FakeEndpoint(answer, dead_seconds=0.2, latency_seconds=0.002) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 60}


@pytest.mark.parametrize("status", [401, 403])
async def test_an_endpoint_that_refuses_access_during_a_run_ends_it_with_a_fix_and_keeps_finished_pages(
    mill: Mill, status: int
) -> None:
    mill.add("a.pdf", "30")

    async with FakeEndpoint(lambda request: failing(status) if request.index > 10 else None) as endpoint:
        summary = await mill.run(endpoint)
        assert isinstance(summary.stopped_by, UsageError)
        assert "PAGEMILL_API_KEY" in str(summary.stopped_by)
    async with FakeEndpoint() as endpoint:
        resumed = await mill.run(endpoint)

    assert (resumed.reused, resumed.requests) == (10, 20)


async def test_a_freshly_started_endpoint_gets_one_page_and_twice_as_many_with_each_answer(mill: Mill) -> None:
    mill.patience = replace(mill.patience, cold_seconds=0.0)
    mill.add("a.pdf", "30")
    in_flight: list[int] = []

    def answer(_: Request) -> None:
        in_flight.append(endpoint.record.in_flight)

    async with FakeEndpoint(answer, latency_seconds=0.05) as endpoint:
        await mill.run(endpoint)

    assert in_flight[0] == 1
    assert max(in_flight[1:3]) == 2
    assert max(in_flight) == 8


async def test_a_destination_that_fails_during_an_outage_stops_the_run_at_once(mill: Mill) -> None:
    mill.add("a.pdf", "3 blank=3")
    dead = asyncio.Event()

    class BlankPageLast(FakeRasterizer):
        async def render(self, path: Path, number: int, picture: Picture = STANDARD_PICTURE) -> Rendering:
            if number == 3:
                await dead.wait()
            return await super().render(path, number, picture)

    def answer(_: Request) -> Answer:
        if dead.is_set():
            return DEATH
        mill.out.rename(mill.out.with_name("elsewhere"))
        mill.out.write_text("a file in the way")
        dead.set()
        return DEATH

    mill.rasterizer = BlankPageLast()
    async with FakeEndpoint(answer, dead_seconds=600, first_wait_for=2) as endpoint:
        summary = await mill.run(endpoint)

    assert isinstance(summary.stopped_by, StoreUnusable)

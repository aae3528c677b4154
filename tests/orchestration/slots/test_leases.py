from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient
from prefect.states import Running

from pagemill.errors import UsageError
from pagemill.orchestration.server.advice import advice
from pagemill.orchestration.slots import leases
from pagemill.orchestration.slots import limit as limits
from pagemill.orchestration.slots.leases import LeaseTimes, LimitSlots
from pagemill.wiring.parameters import OcrBatchParameters
from tests.fakes.prefect_server import PrefectServer

pytestmark = pytest.mark.flow

_QUICK = LeaseTimes(hold=(0.2, 0.3), retry=(0.01, 0.03), idle=0.05, renewal=0.1)
_PATIENCE_SECONDS = 120.0  # on a busy machine; all of it is over in a second on a quiet one
_numbers = itertools.count()


@flow
def some_run() -> None:
    """A flow whose runs hold slots."""


@dataclass
class Gauge:
    """Counts the pages that hold a slot."""

    inside: int = 0
    most: int = 0
    pages: list[str] = field(default_factory=list)

    async def read(self, slots: LimitSlots, name: str, seconds: float = 0.02, *, beside: int = 1) -> None:
        """A page; the first ones take until there were `beside` at once, however slow the machine is."""
        async with slots.slot():
            self.inside += 1
            self.most = max(self.most, self.inside)
            await _until(lambda: self.most >= beside)
            await asyncio.sleep(seconds)
            self.inside -= 1
            self.pages.append(name)


@pytest.fixture
async def client(prefect_api_url: str) -> AsyncIterator[PrefectClient]:
    async with PrefectClient(prefect_api_url) as client:
        yield client


@pytest.fixture
async def limit(client: PrefectClient) -> str:
    name = f"endpoint-{next(_numbers)}"
    await limits.ensure_limit(client, name, 3)
    return name


async def _flow_run(client: PrefectClient) -> UUID:
    return (await client.create_flow_run(some_run, state=Running())).id


async def _pool(client: PrefectClient, limit: str, most: int = 8, times: LeaseTimes = _QUICK) -> LimitSlots:
    return LimitSlots(client, limit=limit, most=most, flow_run=await _flow_run(client), times=times)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 -- another process makes it true
            await asyncio.sleep(0.01)


async def _taken(client: PrefectClient, limit: str) -> int:
    return (await client.read_global_concurrency_limit_by_name(limit)).active_slots


async def test_runs_together_never_hold_more_slots_than_the_limit_has_and_give_all_back(
    client: PrefectClient, limit: str
) -> None:
    gauge = Gauge()

    async with await _pool(client, limit) as one, await _pool(client, limit) as other, asyncio.TaskGroup() as pages:
        for number in range(60):
            pages.create_task(gauge.read((one, other)[number % 2], str(number), beside=3))

    assert len(gauge.pages) == 60
    assert gauge.most == 3
    assert await _taken(client, limit) == 0


async def test_a_run_holds_no_more_slots_than_it_may_or_has_pages_for(client: PrefectClient, limit: str) -> None:
    gauge, lone = Gauge(), Gauge()

    async with await _pool(client, limit, most=2) as slots:
        await asyncio.gather(*(gauge.read(slots, str(number), beside=2) for number in range(20)))
    async with await _pool(client, limit) as slots:
        await lone.read(slots, "the only one")
        assert await _taken(client, limit) <= 1

    assert (gauge.most, lone.most) == (2, 1)


async def test_a_later_run_gets_its_turn_although_an_earlier_one_always_has_pages_waiting(
    client: PrefectClient, limit: str
) -> None:
    greedy, late = Gauge(), Gauge()

    async with await _pool(client, limit) as one, await _pool(client, limit) as other:

        async def keep_reading() -> None:
            while True:
                await greedy.read(one, "greedy")

        readers = [asyncio.create_task(keep_reading()) for _ in range(6)]
        await _until(lambda: greedy.inside == 3)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await asyncio.gather(*(late.read(other, str(number)) for number in range(9)))
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)

    assert len(late.pages) == 9
    assert await _taken(client, limit) == 0


async def test_a_run_with_a_share_takes_no_more_beside_a_large_one_that_may_take_all(
    client: PrefectClient, limit: str
) -> None:
    """And it gets its turn, although the large one has pages waiting all the time."""
    await limits.ensure_limit(client, limit, 8)
    urgent_run = OcrBatchParameters(source="in", destination="out", share=2)
    nightly, urgent = Gauge(), Gauge()

    async with (
        await _pool(client, limit) as all_slots,
        await _pool(client, limit, most=urgent_run.in_flight) as shared,
    ):

        async def keep_reading() -> None:
            while True:
                await nightly.read(all_slots, "nightly")

        readers = [asyncio.create_task(keep_reading()) for _ in range(16)]
        await _until(lambda: nightly.inside == 8)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await asyncio.gather(*(urgent.read(shared, str(number), beside=2) for number in range(12)))
            assert await _taken(client, limit) <= 8
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)

    assert (len(urgent.pages), urgent.most, nightly.most) == (12, 2, 8)
    assert await _taken(client, limit) == 0


async def test_a_slot_without_pages_is_given_back_before_its_time(client: PrefectClient, limit: str) -> None:
    times = LeaseTimes(hold=(60, 60), retry=(0.01, 0.03), idle=0.02, renewal=60)

    async with await _pool(client, limit, times=times) as slots:
        await Gauge().read(slots, "1")
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while await _taken(client, limit):
                pass


async def test_the_idle_time_of_a_slot_begins_with_the_end_of_its_last_page(
    client: PrefectClient, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_back, given_back = client.release_concurrency_slots_with_lease, list[float]()

    async def noted(lease: UUID) -> object:
        given_back.append(time.monotonic())
        return await give_back(lease)

    monkeypatch.setattr(client, "release_concurrency_slots_with_lease", noted)
    times = LeaseTimes(hold=(60, 60), retry=(0.01, 0.03), idle=0.4, renewal=60)

    async with await _pool(client, limit, times=times) as slots:
        for number in range(3):
            await Gauge().read(slots, str(number), seconds=0.25)
        ended = time.monotonic()
        await _until(lambda: bool(given_back))

    assert [moment - ended >= 0.4 for moment in given_back] == [True]


async def test_a_page_that_is_cancelled_while_it_waits_loses_no_slot(client: PrefectClient, limit: str) -> None:
    gauge = Gauge()

    async with await _pool(client, limit, most=1) as slots:
        waiting = [asyncio.create_task(gauge.read(slots, str(number), 0.2)) for number in range(5)]
        await _until(lambda: gauge.inside > 0)
        for page in waiting[1:4]:
            page.cancel()
        await asyncio.wait(waiting)
        await gauge.read(slots, "after")

    assert gauge.pages == ["0", "4", "after"]
    assert await _taken(client, limit) == 0


async def test_a_missing_limit_is_an_error_that_names_the_command_which_creates_it(client: PrefectClient) -> None:
    async with await _pool(client, "nowhere") as slots:
        with pytest.raises(UsageError, match=r"no concurrency limit 'nowhere'.*pagemill register"):
            await Gauge().read(slots, "1")


async def test_a_report_names_the_runs_that_hold_slots_and_counts_slots_that_nobody_holds(
    client: PrefectClient, limit: str
) -> None:
    async with await _pool(client, limit) as slots, slots.slot():
        await slots.report_held()
        held = await limits.report_limit(client, limit)
    await client.increment_concurrency_slots([limit], 2, "concurrency")  # without a holder that gives them back
    leaked = await limits.report_limit(client, limit)

    assert (held.limit, held.taken, held.drift) == (3, 1, 0)
    assert [holder.slots for holder in held.holders if holder.slots] == [1]
    assert (leaked.taken, leaked.drift) == (2, 2)


async def test_repairing_gives_back_only_what_no_live_run_holds(
    client: PrefectClient, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(limits, "_WATCH_SECONDS", 0.1)
    await client.increment_concurrency_slots([limit], 2, "concurrency")

    async with await _pool(client, limit) as slots, slots.slot():
        await slots.report_held()
        report = await limits.repair(client, await limits.report_limit(client, limit))

    assert (report.taken, report.drift) == (1, 0)
    assert await _taken(client, limit) == 0


async def test_creating_the_limit_again_sets_its_number_of_slots(client: PrefectClient) -> None:
    assert await limits.read_limit(client, "mine") is None
    await limits.ensure_limit(client, "mine", 8)
    assert await limits.read_limit(client, "mine") == 8
    await limits.ensure_limit(client, "mine", 4)
    assert await limits.read_limit(client, "mine") == 4


async def test_a_restart_of_the_prefect_server_costs_no_page_and_leaks_no_slot(
    tmp_path: Path, prefect_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a server that keeps leases in its memory. tests/deployments has one that keeps them in files."""
    monkeypatch.setattr(leases, "_LEASE_SECONDS", 1800.0)  # a server that starts slowly is not away for a lease's time
    gauge = Gauge()
    times = LeaseTimes(hold=(600, 600), retry=(0.05, 0.1), idle=60, renewal=0.2)

    async with contextlib.AsyncExitStack() as stack:
        server = PrefectServer(tmp_path / "prefect", database=prefect_database)
        await stack.enter_async_context(server)
        client = await stack.enter_async_context(PrefectClient(server.url))
        await limits.ensure_limit(client, "endpoint", 3)
        async with await _pool(client, "endpoint", times=times) as slots, asyncio.TaskGroup() as pages:
            for number in range(90):
                pages.create_task(gauge.read(slots, str(number), 0.1))
            await _until(lambda: len(gauge.pages) >= 20)
            server.kill()
            await server.start()
        assert await _taken(client, "endpoint") == 0
        assert "slot leases" in {given.subject for given in await advice(client)}

    assert len(gauge.pages) == 90
    assert gauge.most <= 3

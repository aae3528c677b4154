"""Batches on Prefect servers that are restarted under them, and on one of several processes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Protocol

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterState, TaskRunFilterStateType
from prefect.client.schemas.objects import StateType

from pagemill.orchestration.server.advice import advice
from pagemill.orchestration.slots.limit import report_limit
from tests.deployments.operator import Operator
from tests.fakes.lasting_server import AUTH_STRING, LastingServer
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint, Request
from tests.pdfs import write_pdf

pytestmark = [
    *(pytest.mark.flow, pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1200)),
    pytest.mark.asyncio(loop_scope="session"),
]

_LIMIT, _SLOTS = "lightonocr-endpoint", 8
_LATENCY_SECONDS = 1.0
_KILLED_AT = 20  # pages: all slots are taken by then
# Slots are given back after half a minute at the latest. Without a server nobody gets another: however long it is away,
# pages are left for it.
_PAGES = _KILLED_AT + int(30 * _SLOTS / _LATENCY_SECONDS) + 40
_DOCUMENTS = 5
_PATIENCE_SECONDS = 240.0


class Restartable(Protocol):
    """A Prefect server that can be killed and started again."""

    url: str

    def kill(self) -> None:
        """As a power failure does it."""

    async def start(self) -> None:
        """With what it had on its disks."""


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.xdist_group(f"shared_{name}"), id=kind)
        for name, kind in {
            "lasting_server": "SQLite, leases in files",
            "compose_server": "PostgreSQL and Redis",
        }.items()
    ]
)
def restartable(request: pytest.FixtureRequest) -> Restartable:
    """Each of them."""
    server: Restartable = request.getfixturevalue(request.param)
    return server


def _batch(folder: Path) -> Path:
    """A folder of documents with as many pages as are promised, all different."""
    for number in range(_DOCUMENTS):
        pages = [f"{folder.name}{number} {page}" for page in range(_PAGES // _DOCUMENTS)]
        write_pdf(folder / f"{number}.pdf", pages, size=(200, 80))
    return folder


async def _reads(operator: Operator, source: Path, url: str) -> None:
    """Run a batch to its end, which is to be a good one."""
    read = ("pagemill", "run", str(source), f"{source}-out", "--endpoint", url)
    ended = await operator.types(*read, environment={"PREFECT_API_AUTH_STRING": AUTH_STRING})
    assert ended.returncode == 0, ended.stdout + ended.stderr


async def _registers(operator: Operator) -> None:
    ended = await operator.registers(environment={"PREFECT_API_AUTH_STRING": AUTH_STRING})
    assert ended.returncode == 0, ended.stdout + ended.stderr


async def _completed(client: PrefectClient, task_runs: int) -> None:
    """Wait until the server has recorded that so many task runs came to a good end."""
    wanted = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.COMPLETED])))
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while len(await client.read_task_runs(task_run_filter=wanted)) < task_runs:  # noqa: ASYNC110 -- of a server
            await asyncio.sleep(0.5)


async def test_a_batch_outlives_a_restart_of_the_prefect_server_and_no_slot_is_lost(
    restartable: Restartable, tmp_path: Path
) -> None:
    operator, source = Operator(restartable.url, tmp_path / "home"), _batch(tmp_path / "in")
    under_way = asyncio.Event()

    def answer(request: Request) -> Answer | None:
        if request.index == _KILLED_AT:
            under_way.set()
        return None

    await _registers(operator)
    async with FakeEndpoint(answer, latency_seconds=_LATENCY_SECONDS, keep_bodies=False) as endpoint:
        run = asyncio.create_task(_reads(operator, source, endpoint.url))
        waiting = asyncio.create_task(under_way.wait())
        await asyncio.wait([run, waiting], timeout=_PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done()
        restartable.kill()
        await restartable.start()
        restarted = time.monotonic()
        await run

    async with PrefectClient(restartable.url, auth_string=AUTH_STRING) as client:
        report = await report_limit(client, _LIMIT)
        (flow_run,) = await client.read_flow_runs()
    assert (report.limit, report.taken, report.holders) == (_SLOTS, 0, ())
    assert flow_run.state
    assert flow_run.state.is_completed()
    assert len(endpoint.record.sent) == endpoint.record.requests == _PAGES
    assert endpoint.record.most_in_flight <= _SLOTS
    assert any(start > restarted for start, _ in endpoint.record.spans), "nothing was left to read after the restart"


async def test_two_processes_that_answer_share_one_cap_and_give_every_slot_back(
    compose_server: LastingServer, tmp_path: Path
) -> None:
    sources = [_batch(tmp_path / name) for name in ("one", "two")]
    forwarded = compose_server.forwarded
    operators = [Operator(compose_server.url, tmp_path / f"home-{source.name}") for source in sources]

    await _registers(operators[0])
    async with FakeEndpoint(latency_seconds=0.05, keep_bodies=False) as endpoint, asyncio.TaskGroup() as runs:
        for operator, source in zip(operators, sources, strict=True):
            runs.create_task(_reads(operator, source, f"{endpoint.url}/{source.name}"))

    async with PrefectClient(compose_server.url, auth_string=AUTH_STRING) as client:
        report = await report_limit(client, _LIMIT)
        advised = await advice(client)
        await _completed(client, task_runs=2 * _DOCUMENTS)
    assert (report.limit, report.taken, report.holders) == (_SLOTS, 0, ())
    assert advised == []
    assert endpoint.record.requests == 2 * _PAGES
    assert endpoint.record.most_in_flight <= _SLOTS
    assert set(endpoint.record.callers) == {"/one", "/two"}
    assert all(now > before for before, now in zip(forwarded, compose_server.forwarded, strict=True))

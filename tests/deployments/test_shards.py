"""Shards on real workers: several processes that share one run, one endpoint and one cap."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from benchmarks.corpus import stamps
from pagemill.orchestration.slots.limit import report_limit
from tests.deployments.operator import Operator
from tests.fakes.lasting_server import AUTH_STRING, LastingServer
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.fakes.prefect_server import PrefectServer

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(1200)]

_LIMIT, _SLOTS = "lightonocr-endpoint", 8
_DOCUMENTS = {"long.pdf": 250, "a.pdf": 60, "b/c.pdf": 50, "b/d.pdf": 39, "e.pdf": 1}
_PAGES = sum(_DOCUMENTS.values())
_SHARDS = 4
_PATIENCE_SECONDS = 300.0
_SECRET = {"PREFECT_API_AUTH_STRING": AUTH_STRING}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four hundred pages; one document has more than half of them."""
    (tmp_path / "in/b").mkdir(parents=True)
    for seed, (name, pages) in enumerate(_DOCUMENTS.items(), start=1):
        stamps(tmp_path / "in" / name, pages=pages, seed=seed)
    return tmp_path / "in"


def _flow_processes(worker: psutil.Process) -> list[psutil.Process]:
    """One for each run that the worker has started, without their render workers."""
    return [child for child in worker.children() if "prefect.engine" in child.cmdline()]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 -- of other processes
            await asyncio.sleep(0.1)


async def _ended(client: PrefectClient) -> list[FlowRun]:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not all(run.state and run.state.is_final() for run in await client.read_flow_runs()):  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.5)
    return await client.read_flow_runs()


async def _slots_taken(client: PrefectClient) -> int:
    """When all leases of a killed run must have expired."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while (await report_limit(client, _LIMIT)).taken:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(1.0)
    return (await report_limit(client, _LIMIT)).taken


def _assert_everything_is_there(out: Path) -> None:
    for name, pages in _DOCUMENTS.items():
        manifest = json.loads((out / name / "manifest.json").read_text())
        assert manifest["page_numbers"]["ok"] == (f"1-{pages}" if pages > 1 else "1")
        assert (out / name / "document.md").read_text().count("<!-- page ") == pages


@pytest.mark.services
@pytest.mark.asyncio(loop_scope="session")
async def test_four_shards_finish_what_one_of_them_left_when_it_was_killed(
    source: Path, tmp_path: Path, compose_server: LastingServer
) -> None:
    out = tmp_path / "out"
    async with (
        FakeEndpoint(latency_seconds=1.0, keep_bodies=False) as endpoint,
        PrefectClient(compose_server.url, auth_string=AUTH_STRING) as client,
    ):
        operator = Operator(compose_server.url, tmp_path / "home")
        await operator.deploys(environment=_SECRET)
        async with operator.working(_SECRET) as worker:
            command = ("pagemill", "run", str(source), str(out), "--endpoint", endpoint.url, "--shards", str(_SHARDS))
            run = asyncio.create_task(operator.types(*command, "--json", environment=_SECRET))
            await _until(lambda: run.done() or len(_flow_processes(worker)) == _SHARDS)
            begun = endpoint.record.requests
            await _until(lambda: run.done() or endpoint.record.requests > begun + 5 * _SLOTS)
            assert not run.done(), run.result().stderr
            _flow_processes(worker)[0].send_signal(signal.SIGKILL)
            ended = await run
            runs = await _ended(client)
            left = await _slots_taken(client)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert (summary["documents"], summary["pages"], summary["ok"], summary["reused"]) == (5, _PAGES, _PAGES, 0)
    _assert_everything_is_there(out)
    states = Counter(run.state_type.value for run in runs if run.state_type)
    assert states == {"COMPLETED": 1 + _SHARDS, "CRASHED": 1}
    assert endpoint.record.most_in_flight <= _SLOTS
    assert len(endpoint.record.sent) == _PAGES
    assert endpoint.record.requests <= _PAGES + _SLOTS
    assert left == 0


async def test_a_run_that_is_cancelled_takes_its_shards_with_it(
    source: Path, tmp_path: Path, lasting_server: PrefectServer
) -> None:
    async with (
        FakeEndpoint(latency_seconds=1.0, keep_bodies=False) as endpoint,
        PrefectClient(lasting_server.url) as client,
    ):
        operator = Operator(lasting_server.url, tmp_path / "home")
        await operator.deploys(environment=_SECRET)
        async with operator.working(_SECRET) as worker:
            deployment = await client.read_deployment_by_name("ocr-batch/on-demand")
            asked = {"source": str(source), "destination": str(tmp_path / "out"), "endpoint": endpoint.url, "shards": 2}
            run = await client.create_flow_run_from_deployment(deployment.id, parameters={"parameters": asked})
            await _until(lambda: endpoint.record.requests > 2 * _SLOTS)
            await client.set_flow_run_state(run.id, Cancelling())
            runs = await _ended(client)
            sent = endpoint.record.requests
            await _until(lambda: not _flow_processes(worker))
            left = await _slots_taken(client)

    assert {found.state_type.value for found in runs if found.state_type} == {"CANCELLED"}
    assert len(runs) == 3
    assert sent == endpoint.record.requests < _PAGES
    assert endpoint.record.most_in_flight <= _SLOTS
    assert left == 0
    assert list((tmp_path / "out").glob("**/pages/**/*.json")), "what was read is kept"

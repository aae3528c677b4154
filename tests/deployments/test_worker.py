"""A real server and a real worker: what is scheduled starts by itself, in a process that the worker makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType

from tests.deployments.operator import ROOT, Operator
from tests.fakes.ocr_process import Endpoint, running_endpoint
from tests.pdfs import numbered_pdf

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(1200)]

_EARLY_SECONDS = 10.0  # a worker fetches what is due soon
_LATEST_SECONDS = 120.0  # after its time: its process takes a while to begin on a busy machine
_PATIENCE_SECONDS = 240.0


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with running_endpoint(0.0) as started:
        yield started


@pytest.fixture
async def worker(operator: Operator, endpoint: Endpoint, tmp_path: Path) -> AsyncIterator[None]:
    """A worker of the pool `local-process`, on whose server every minute is night."""
    numbered_pdf(tmp_path / "in/a.pdf", 3)
    nightly = {
        "PAGEMILL_POOL_NIGHTLY_SOURCE": str(tmp_path / "in"),
        "PAGEMILL_POOL_NIGHTLY_DESTINATION": str(tmp_path / "out"),
    }
    declared = (ROOT / "prefect.yaml").read_text()
    assert declared.count('cron: "30 3 * * *"') == 1
    (tmp_path / "prefect.yaml").write_text(declared.replace('cron: "30 3 * * *"', 'cron: "* * * * *"'))
    await operator.deploys(folder=tmp_path, environment=nightly)
    async with operator.working({"LIGHTONOCR_SERVICE_URL": endpoint.url}):
        yield


async def _first_that_ended(client: PrefectClient) -> FlowRun:
    over = FlowRunFilterStateType(any_=[StateType.COMPLETED, StateType.FAILED, StateType.CRASHED])
    wanted = FlowRunFilter(state=FlowRunFilterState(type=over))
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not (found := await client.read_flow_runs(flow_run_filter=wanted)):  # noqa: ASYNC110 -- of a server
            await asyncio.sleep(1.0)
    return found[0]


@pytest.mark.usefixtures("worker")
async def test_a_scheduled_run_starts_on_time_and_reads_its_source(
    client: PrefectClient, endpoint: Endpoint, tmp_path: Path
) -> None:
    run = await _first_that_ended(client)

    assert run.state
    assert run.state.is_completed(), run.state.message
    assert run.start_time
    assert run.expected_start_time
    assert run.auto_scheduled
    assert -_EARLY_SECONDS <= (run.start_time - run.expected_start_time).total_seconds() < _LATEST_SECONDS
    assert (tmp_path / "out/a.pdf/document.md").read_text().count("# Page ") == 3
    assert sum(endpoint.sent.values()) == 3

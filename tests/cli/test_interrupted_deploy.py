"""A signal during `pagemill deploy`: the previous revision keeps serving, and Prefect knows that it was interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from typer.testing import CliRunner, Result

from pagemill.cli.main import app
from tests.fakes.google_cloud import vllm
from tests.fakes.google_cloud.cloud import GoogleCloud
from tests.fakes.google_cloud.vllm import Server
from tests.fakes.ocr_endpoint import Answer

pytestmark = pytest.mark.flow


@pytest.fixture(autouse=True)
def all_signals_work() -> Iterator[None]:
    """A shell starts its background jobs without SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_deployment_is_cancelled_in_prefect_and_the_previous_revision_keeps_serving(
    number: signal.Signals, cloud: GoogleCloud, prefect_api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _deploy()
    before, sent = cloud.run.serving(cloud.service), list[signal.Signals]()

    def read(image: str, truth: str) -> Answer:
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)
        return vllm.well(image, truth)

    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    cloud.run.container = lambda _: Server(reads=read, latency_seconds=0.3)
    interrupted = _deploy()

    assert first.exit_code == 0, first.output
    assert interrupted.exit_code == 130, interrupted.output
    assert "interrupted; the previous revision keeps serving" in interrupted.output
    assert "Traceback" not in interrupted.output
    assert sent == [number]
    assert cloud.run.serving(cloud.service) == before
    assert [share.tag for share in cloud.run.services[cloud.service].traffic_statuses] == [""]
    last = asyncio.run(_last_run(prefect_api_url))
    assert last.state_name == "Cancelled"
    assert last.state
    assert "was interrupted; the previous revision keeps serving" in (last.state.message or "")


def _deploy() -> Result:
    return CliRunner().invoke(app, ["deploy"])


async def _last_run(url: str) -> FlowRun:
    async with PrefectClient(url) as client:
        found = await client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        return found[0]

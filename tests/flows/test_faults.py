"""Batches through Prefect, as `pagemill run` reads them, whose server goes away in the middle beside all other faults.

A seed is a schedule of faults. The server is the suite's own; what is cut is the way to it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.utilities.asyncutils import run_coro_as_sync

from pagemill.batch.gate import Patience
from pagemill.cli import flow_run, leaving
from pagemill.cli.flow_run import FlowRun
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import PagemillError
from pagemill.orchestration.server import shared
from pagemill.orchestration.slots import leases
from pagemill.orchestration.slots.leases import LeaseTimes
from pagemill.wiring import batch as wiring
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.watching import RunWatch
from tests.fakes.google_cloud.urls import LoopThread
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.fakes.prefect_server import send_what_is_queued
from tests.fakes.round_robin_proxy import RoundRobinProxy
from tests.fault_schedule import (
    ANSWER_SECONDS,
    HURRIED,
    PAGES,
    Renderers,
    Schedule,
    assert_accounted_for,
    assert_complete,
    assert_whole,
    files_below,
    seeds,
    within_bounds,
)
from tests.pdfs import numbered_pdf

pytestmark = pytest.mark.flow

_EVERY = 6  # seeds: a run through Prefect takes some seconds
_HURRIED_SLOTS = LeaseTimes(hold=(0.2, 0.3), retry=(0.01, 0.03), idle=0.05, renewal=0.1, unanswered=1.0)


@pytest.fixture(scope="module")
def renderers() -> Iterator[Renderers]:
    opened = Renderers()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def hurried(renderers: Renderers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run as it is wired for the command line, but less patient, and with render workers that are started already."""

    def patience(**_: float) -> Patience:
        return HURRIED

    monkeypatch.setattr(wiring, "Patience", patience)
    monkeypatch.setattr(wiring, "PdfiumRasterizer", lambda **_: contextlib.nullcontext(renderers.rasterizer))
    monkeypatch.setattr(leases, "LeaseTimes", lambda: _HURRIED_SLOTS)
    monkeypatch.setattr(flow_run, "_CONCLUDING_SECONDS", 2.0)
    monkeypatch.setattr(shared, "_ANSWER_SECONDS", 120.0)  # on a busy machine
    monkeypatch.setattr(leaving, "_nobody_listens", threading.Event())
    monkeypatch.setenv("PAGEMILL_LONGEST_EDGE_PX", "200")


@pytest.fixture
def servers() -> Iterator[LoopThread]:
    thread = LoopThread()
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture
def proxy(servers: LoopThread, prefect_api_url: str) -> Iterator[RoundRobinProxy]:
    """The way to Prefect's server."""
    port = urlsplit(prefect_api_url).port
    assert port
    proxy = servers.open(RoundRobinProxy([port]))
    url = f"http://127.0.0.1:{proxy.port}/api"
    with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 1}):
        yield proxy
        run_coro_as_sync(send_what_is_queued())


@pytest.fixture
def schedule(seed: int, monkeypatch: pytest.MonkeyPatch) -> Schedule:
    made = Schedule(seed)
    monkeypatch.setattr(os, "fsync", made.sync)
    return made


@pytest.fixture
def asked(schedule: Schedule, servers: LoopThread, proxy: RoundRobinProxy, tmp_path: Path) -> OcrBatchParameters:
    """A run whose endpoint has the schedule's faults."""
    schedule.cut = proxy.cut
    for name, pages in PAGES.items():
        numbered_pdf(tmp_path / "in" / name, pages)
    endpoint = servers.open(FakeEndpoint(schedule.of_endpoint, probe_fault=schedule.of_probe, dead_seconds=0.03))
    return OcrBatchParameters(
        source=str(tmp_path / "in"), destination=str(tmp_path / "out"), endpoint=endpoint.url, max_in_flight=4
    )


@seeds(every=_EVERY)
def test_whatever_goes_wrong_beside_prefects_server_every_page_has_one_status_and_is_read_in_the_end(
    schedule: Schedule,
    proxy: RoundRobinProxy,
    asked: OcrBatchParameters,
    renderers: Renderers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule.next_run()
    ended = _read(asked, answer_seconds=ANSWER_SECONDS)
    assert_whole(files_below(Path(asked.destination)))
    if isinstance(ended, RunSummary):
        assert_accounted_for(ended)
        renderers.after(ended)
    elif ended is None:
        assert schedule.signals
    else:
        assert exit_code(ended) is ExitCode.WRONG_USAGE

    schedule.over = True
    proxy.mend()
    monkeypatch.setattr(leases, "LeaseTimes", LeaseTimes)  # now a server that is slow is waited for
    last = _read(asked, answer_seconds=30.0)

    assert isinstance(last, RunSummary)
    assert_complete(last, schedule)
    assert_whole(files_below(Path(asked.destination)))


def _read(asked: OcrBatchParameters, *, answer_seconds: float) -> RunSummary | PagemillError | None:
    """How a run ended: its summary, why there is none, or None if a signal has interrupted it."""
    os.environ["PAGEMILL_ANSWER_SECONDS"] = str(answer_seconds)
    run = FlowRun(asked, RunWatch())
    try:
        return run_until_interrupted(within_bounds(run.to_its_end()), stop=run.stop, clean_up_seconds=None)
    except PagemillError as error:
        return error
    except KeyboardInterrupt:
        return None

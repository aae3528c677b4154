"""Whole batches under random faults of everything at once: whatever happens, each page has one status and one place.

Real are the PDFs and the processes that draw them, the signals, and the clients of Google Cloud Storage, of the
endpoint and of the token server. A seed is a schedule of faults.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from pagemill.cli.interrupts import run_until_interrupted
from pagemill.domain.pages.summary import RunSummary
from pagemill.ocr.identity.auth import IdTokenAuth
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.gcs.store import GcsStore
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs
from tests.fakes.google_cloud.urls import LoopThread
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.fault_schedule import (
    ANSWER_SECONDS,
    HURRIED,
    PAGES,
    Renderers,
    Schedule,
    assert_accounted_for,
    assert_complete,
    assert_whole,
    differing_pages,
    files_below,
    seeds,
    within_bounds,
)
from tests.pdfs import numbered_pdf

# httpcore leaves a connection to the garbage collector if its TLS handshake is cancelled, as a run is here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*_SelectorTransport.__del__:pytest.PytestUnraisableExceptionWarning"),
]

_DISTURBED_RUNS = 3


@dataclass
class Runs:
    """Runs over one source into one destination, one after the other."""

    mill: Mill
    buckets: FakeGcs
    signer: MetadataServer
    schedule: Schedule
    door: IamProxy
    renderers: Renderers

    def disturbed(self) -> RunSummary | None:
        """The summary of a run in which things go wrong; None if a signal has interrupted it."""
        signals = self.schedule.signals
        self.schedule.next_run()
        self.schedule.of_tokens(self.signer, self.door)
        try:
            summary = self._read()
        except KeyboardInterrupt:
            assert self.schedule.signals == signals + 1
            return None
        self.renderers.after(summary)
        return summary

    def last(self) -> RunSummary:
        """The summary of the run after all that."""
        self.schedule.over, self.mill.answer_seconds = True, 30.0
        self.signer.faults.clear()
        return self._read()

    @property
    def written(self) -> dict[str, bytes]:
        """What is at the destination."""
        if self.schedule.local:
            return files_below(self.mill.out)
        return {name: found.data for name, found in self.buckets.buckets["out"].items()}

    def _read(self) -> RunSummary:
        self.mill.rasterizer = self.renderers.rasterizer
        self.mill.auth = IdTokenAuth(self.door.url, key=self.signer.service_account_key())
        return run_until_interrupted(within_bounds(self.mill.run()), clean_up_seconds=None)


@pytest.fixture(autouse=True)
def _no_later_than_here() -> Iterator[None]:
    """What is left to the garbage collector is collected while the filters above hold."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def signer() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        yield server


@pytest.fixture(scope="module")
def renderers() -> Iterator[Renderers]:
    opened = Renderers()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for index, (name, pages) in enumerate(PAGES.items()):
        (folder / name).parent.mkdir(exist_ok=True)
        numbered_pdf(folder / f"{index}.pdf", pages).rename(folder / name)
    return folder


@pytest.fixture(scope="module")
def undisturbed(documents: Path, renderers: Renderers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one run writes if nothing goes wrong."""
    out = tmp_path_factory.mktemp("undisturbed")

    async def read() -> RunSummary:
        async with FakeEndpoint() as endpoint:
            return await Mill(documents, out, renderers.rasterizer).run(endpoint)

    assert asyncio.run(read()).complete
    return files_below(out)


@pytest.fixture
def buckets(google: FakeGcs, documents: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGcs:
    monkeypatch.setattr(DEFAULT_RETRY, "_initial", 0.001)  # Google's client waits for a second and more
    monkeypatch.setattr(DEFAULT_RETRY, "_maximum", 0.005)
    for name in ("in", "out"):
        google.create_bucket(name)
    for name in PAGES:
        google.put("in", f"scans/{name}", (documents / name).read_bytes())
    return google


@pytest.fixture
def servers() -> Iterator[LoopThread]:
    """Servers have a thread of their own: the main thread waits for the run and for signals."""
    thread = LoopThread()
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture
def schedule(seed: int, monkeypatch: pytest.MonkeyPatch) -> Schedule:
    made = Schedule(seed)
    monkeypatch.setattr(os, "fsync", made.sync)
    return made


@pytest.fixture
def door(
    schedule: Schedule, signer: MetadataServer, servers: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> IamProxy:
    """The way to an endpoint with the schedule's faults."""
    endpoint = FakeEndpoint(
        schedule.of_endpoint, probe_fault=schedule.of_probe, latency_seconds=0.002, dead_seconds=0.03
    )
    door = servers.open(IamProxy(servers.open(endpoint).url, signer, tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(door.ca_file))
    return door


@pytest.fixture
def real_mill(mill: Mill, buckets: FakeGcs, gcs_client: storage.Client, schedule: Schedule, door: IamProxy) -> Mill:
    mill.documents = GcsSource(gcs_client, Location("in", "scans"), largest_bytes=2**20)
    mill.store = LocalStore(mill.out) if schedule.local else GcsStore(gcs_client, Location("out", ""))
    mill.patience, mill.url, mill.answer_seconds = HURRIED, door.url, ANSWER_SECONDS
    buckets.fault = partial(schedule.of_store, buckets)
    return mill


@pytest.fixture
def runs(
    real_mill: Mill,
    buckets: FakeGcs,
    *,
    signer: MetadataServer,
    schedule: Schedule,
    door: IamProxy,
    renderers: Renderers,
) -> Runs:
    return Runs(real_mill, buckets, signer, schedule, door, renderers)


@pytest.mark.slow
@seeds()
def test_whatever_goes_wrong_every_page_has_one_status_and_in_the_end_its_text(
    runs: Runs, schedule: Schedule, undisturbed: dict[str, bytes]
) -> None:
    for _ in range(_DISTURBED_RUNS):
        summary = runs.disturbed()
        assert_whole(runs.written)
        if summary:
            assert_accounted_for(summary)
    last = runs.last()

    assert_complete(last, schedule)
    assert len(differing_pages(undisturbed, runs.written)) == schedule.poisoned

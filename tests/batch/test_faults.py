"""Whole batches under random faults of everything at once: whatever happens, each page has one status and one place.

Real are the PDFs and the processes that draw them, and the clients of Google Cloud Storage, of the endpoint and of the
token server. A seed is a schedule of faults.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.ocr.identity.auth import IdTokenAuth
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.gcs.store import GcsStore
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs, Fault
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer
from tests.fakes.ocr_endpoint import DEATH, HANG, RESET, Answer, FakeEndpoint, Request, failing, without_end
from tests.pdfs import numbered_pdf

# httpcore leaves a connection to the garbage collector if its TLS handshake is cancelled, as a run is here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*_SelectorTransport.__del__:pytest.PytestUnraisableExceptionWarning"),
]

_PAGES = {"a.pdf": 2, "b/long.pdf": 9, "b/c.pdf": 5, "ü #%2F?.pdf": 4}
_FAULTS_OF_STORE = [
    *(Fault(status=status) for status in (429, 500, 503)),
    *(Fault(reset=True), Fault(torn=True), Fault(corrupted=True)),
]
_BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
_FAULTS_OF_ENDPOINT = [
    *(failing(status) for status in (404, 429, 500, 503)),
    failing(503, **{"Retry-After": "31536000"}),
    *(RESET, DEATH, HANG, Answer(kind="raw", text="{")),
    *(without_end(_BEGUN, b" ", 0.01), without_end(_BEGUN, b" " * 2**16)),  # drips, and never ends
]
_FAULTS_OF_PROBES = [failing(302, Location="/login"), *(failing(status) for status in (400, 405, 418, 503)), RESET]
_ANSWER_SECONDS = 0.5
_ENDS = {ExitCode.WRONG_USAGE, ExitCode.ENDPOINT_NEVER_ANSWERED, ExitCode.STORE_UNUSABLE}
_POISONS = [failing(500), RESET, DEATH, failing(422, "cannot identify image")]
_DISTURBED_RUNS = 3
_SECONDS = 240.0  # a run takes five; a busy machine more


class Schedule:
    """What goes wrong, and when: by the seed, until `over`."""

    def __init__(self, seed: int) -> None:
        self.over = False
        self.kill: asyncio.Event = asyncio.Event()
        self._rng = random.Random(seed)  # noqa: S311 -- a schedule, no secret
        self._poisoned = self._rng.choice([0, 0, self._rng.randint(1, 20)])  # which page, in order of arrival
        self._poison = self._rng.choice(_POISONS)
        self._wrong_probe = self._rng.choice([None, None, self._rng.choice(_FAULTS_OF_PROBES)])
        self._seen: list[str] = []
        self._kill_at = self._rng.choice([0, self._rng.randint(1, 40)])

    @property
    def poisoned(self) -> bool:
        """Whether there is a page that no endpoint can read."""
        return bool(self._poisoned)

    def of_endpoint(self, request: Request) -> Answer | None:
        """Decide about a page."""
        if request.image not in self._seen:
            self._seen.append(request.image)
        if self._seen.index(request.image) + 1 == self._poisoned:
            return self._poison
        if request.index == self._kill_at:
            self.kill.set()
        if self._happens(0.02):
            _kill_a_render_worker(self._rng)
        return self._rng.choice(_FAULTS_OF_ENDPOINT) if self._happens(0.15) else None

    def of_probe(self, _path: str) -> Answer | None:
        """Decide about a question whether the endpoint is ready."""
        return self._wrong_probe if self._happens(0.2) else None

    def of_store(self, store: FakeGcs, kind: str, bucket: str, key: str) -> Fault | None:
        """Decide about a request to the store. A document may be uploaded once more just before it is downloaded."""
        if kind == "media" and bucket == "in" and self._happens(0.1):
            store.put(bucket, key, store.get(bucket, key) or b"")
        fault = self._rng.choice(_FAULTS_OF_STORE)
        if fault.corrupted and kind != "media":
            return None
        return fault if self._happens(0.05) else None

    def of_tokens(self, signer: MetadataServer, door: IamProxy) -> None:
        """Decide about the next token."""
        if self._happens(0.3):
            signer.faults.append(self._rng.choice([500, 503]))
        if self._happens(0.3):
            door.revoked.update(door.tokens)

    def _happens(self, chance: float) -> bool:
        return not self.over and self._rng.random() < chance


def _kill_a_render_worker(rng: random.Random) -> None:
    workers = [
        child for child in psutil.Process().children() if any("pagemill.pdf.worker" in w for w in child.cmdline())
    ]
    if workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            rng.choice(workers).kill()


@pytest.fixture(autouse=True)
def _no_later_than_here() -> Iterator[None]:
    """What is left to the garbage collector is collected while the filters above hold."""
    yield
    gc.collect()


@pytest.fixture
def buckets(google: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGcs:
    monkeypatch.setattr(DEFAULT_RETRY, "_initial", 0.001)  # Google's client waits for a second and more
    monkeypatch.setattr(DEFAULT_RETRY, "_maximum", 0.005)
    for name in ("in", "out", "undisturbed"):
        google.create_bucket(name)
    for index, (name, pages) in enumerate(_PAGES.items()):
        google.put("in", f"scans/{name}", numbered_pdf(tmp_path / f"{index}.pdf", pages).read_bytes())
    return google


@pytest.fixture
def signer() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        yield server


@pytest.fixture(scope="module")
def rasterizer() -> Iterator[PdfiumRasterizer]:
    """For all schedules: it is not what goes wrong."""
    options = RenderOptions(longest_edge_px=200)
    opened = PdfiumRasterizer(workers=2, page_seconds=20, memory_bytes=2**31, options=options)
    yield opened
    asyncio.run(opened.__aexit__(None, None, None))


@pytest.fixture
async def real_mill(mill: Mill, buckets: FakeGcs, gcs_client: storage.Client, rasterizer: PdfiumRasterizer) -> Mill:
    """Has read everything once, undisturbed, into another bucket."""
    assert buckets.url
    mill.documents = GcsSource(gcs_client, Location("in", "scans"), largest_bytes=2**20)
    mill.patience = replace(mill.patience, silence_seconds=30.0)
    mill.rasterizer = rasterizer
    mill.store = GcsStore(gcs_client, Location("undisturbed", ""))
    async with FakeEndpoint() as endpoint:
        assert (await mill.run(endpoint)).complete
    mill.store = GcsStore(gcs_client, Location("out", ""))
    return mill


@pytest.fixture(params=range(int(os.environ.get("FAULT_SEEDS", "12"))))
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return Schedule(request.param)


@pytest.fixture
async def door(
    schedule: Schedule, signer: MetadataServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[IamProxy]:
    """The way to an endpoint with the schedule's faults."""
    async with (
        FakeEndpoint(
            schedule.of_endpoint, probe_fault=schedule.of_probe, latency_seconds=0.002, dead_seconds=0.03
        ) as endpoint,
        IamProxy(endpoint.url, signer, tmp_path) as door,
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(door.ca_file))
        yield door


@pytest.mark.slow
async def test_whatever_goes_wrong_every_page_has_one_status_and_in_the_end_its_text(
    real_mill: Mill, buckets: FakeGcs, signer: MetadataServer, schedule: Schedule, door: IamProxy
) -> None:
    real_mill.url, buckets.fault = door.url, partial(schedule.of_store, buckets)
    real_mill.answer_seconds = _ANSWER_SECONDS
    for _ in range(_DISTURBED_RUNS):
        schedule.of_tokens(signer, door)
        real_mill.auth = IdTokenAuth(door.url, key=signer.service_account_key())
        async with asyncio.timeout(_SECONDS):
            summary = await _run_until_killed(real_mill, schedule.kill)
        _assert_whole({name: found.data.decode() for name, found in buckets.buckets["out"].items()})
        if summary:
            _assert_accounted_for(summary)
    schedule.over, real_mill.answer_seconds = True, 30.0
    signer.faults.clear()
    async with asyncio.timeout(_SECONDS):
        last = await real_mill.run()

    assert last.stopped_by is None
    assert last.pages == sum(_PAGES.values())
    assert last.statuses[Status.FAILED] == schedule.poisoned
    assert exit_code(last) is (ExitCode.FAILURES if schedule.poisoned else ExitCode.DONE)
    assert len(_differing_pages(buckets)) == schedule.poisoned


async def _run_until_killed(mill: Mill, kill: asyncio.Event) -> RunSummary | None:
    run, killed = asyncio.create_task(mill.run()), asyncio.create_task(kill.wait())
    await asyncio.wait([run, killed], return_when=asyncio.FIRST_COMPLETED)
    killed.cancel()
    if run.done():
        return run.result()
    kill.clear()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    return None


def _text(bucket: FakeGcs, name: str, key: str) -> str:
    return (bucket.get(name, key) or b"").decode()


def _assert_whole(objects: dict[str, str]) -> None:
    """No torn object; a document with a manifest has each page once, in order."""
    for name, body in objects.items():
        found = json.loads(body) if name.endswith(".json") else {}
        if not name.endswith("/manifest.json") or found["error"]:
            continue
        folder, pages = name.removesuffix("manifest.json"), found["document"]["page_count"]
        results = [json.loads(line) for line in objects[f"{folder}pages.jsonl"].splitlines()]
        marks = [line for line in objects[f"{folder}document.md"].splitlines() if line.startswith("<!-- page ")]
        assert [result["number"] for result in results] == list(range(1, pages + 1))
        assert marks == [f"<!-- page {number} -->" for number in range(1, pages + 1)]
        assert sum(found["statuses"].values()) == pages == found["pages"]


def _assert_accounted_for(summary: RunSummary) -> None:
    assert summary.pages == sum(summary.statuses.values())
    if summary.stopped_by:
        assert exit_code(summary) in _ENDS
        return
    assert summary.documents == len(summary.outcomes) == len(_PAGES)
    assert summary.pages == sum(outcome.pages for outcome in summary.outcomes)
    for outcome, pages in zip(summary.outcomes, (_PAGES[name] for name in sorted(_PAGES)), strict=True):
        assert outcome.error or outcome.pages == pages
    failed = summary.statuses[Status.FAILED] or any(outcome.error for outcome in summary.outcomes)
    assert exit_code(summary) is (ExitCode.FAILURES if failed else ExitCode.DONE)


def _differing_pages(buckets: FakeGcs) -> list[str]:
    """Pages whose text is not that of the undisturbed run."""
    differing = []
    for key in [key for key in buckets.buckets["undisturbed"] if key.endswith("/document.md")]:
        wanted, got = (_text(buckets, name, key).split("<!-- page ")[1:] for name in ("undisturbed", "out"))
        differing += [page for page, other in zip(wanted, got, strict=True) if page != other]
    return differing

"""What goes wrong in a batch, and when, decided by a seed; and what has to hold whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import random
import signal
import stat
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from pagemill.batch.gate import Patience
from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import OutOfResources
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.fakes.gcs import FakeGcs, Fault
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer
from tests.fakes.ocr_endpoint import DEATH, HANG, RESET, Answer, Request, failing, without_end

PAGES = {"a.pdf": 2, "b/long.pdf": 9, "b/c.pdf": 5, "ü #%2F?.pdf": 4}
HURRIED = Patience(
    wake_seconds=5.0,
    silence_seconds=30.0,
    longest_retry_after_seconds=0.05,  # of the year that an answer asks for
    probe_seconds=0.001,
    longest_probe_seconds=0.01,
    longest_pause_seconds=0.02,
)
ANSWER_SECONDS = 0.5
_SECONDS = 120.0  # a run takes one or two; a busy machine more
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
_POISONS = [failing(500), RESET, DEATH, failing(422, "cannot identify image")]
_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
_ENDS = {ExitCode.WRONG_USAGE, ExitCode.ENDPOINT_NEVER_ANSWERED, ExitCode.STORE_UNUSABLE}

T = TypeVar("T")


class Schedule:
    """What goes wrong until `over`."""

    def __init__(self, seed: int) -> None:
        self.over = False
        self.signals = 0  # sent to this process
        self._rng = random.Random(seed)  # noqa: S311 -- a schedule, no secret
        self._poisoned = self._rng.choice([0, 0, self._rng.randint(1, 20)])  # which page, in order of arrival
        self._poison = self._rng.choice(_POISONS)
        self._wrong_probe = self._rng.choice([None, None, self._rng.choice(_FAULTS_OF_PROBES)])
        self._seen: list[str] = []
        self._requests = 0  # of this run
        self._signal_at = self._full_at = self._cut_at = 0
        self.cut: Callable[[float | None], object] | None = None  # the way to Prefect's server, for so many seconds
        self._sync = os.fsync
        self.local = self._rng.random() < 1 / 2  # whether the destination is a folder, which may be full

    @property
    def poisoned(self) -> bool:
        """Whether there is a page that no endpoint can read."""
        return bool(self._poisoned)

    def next_run(self) -> None:
        """Decide about the run that begins."""
        self._requests = 0
        self._signal_at, self._full_at = (self._rng.choice([0, self._rng.randint(1, 20)]) for _ in range(2))
        self._cut_at = self._rng.randint(1, 8) if self.cut else 0  # nothing ends the run before
        self._signal_at += self._cut_at if self._signal_at else 0

    def of_endpoint(self, request: Request) -> Answer | None:
        """Decide about a page."""
        if request.image not in self._seen:
            self._seen.append(request.image)
        if self._seen.index(request.image) + 1 == self._poisoned:
            return self._poison
        self._requests += 1
        if self._requests == self._signal_at and not self.over:
            self.signals += 1
            os.kill(os.getpid(), self._rng.choice(_SIGNALS))
        if self.cut and self._requests == self._cut_at and not self.over:
            self.cut(self._rng.choice([0.2, None]))
        if self._happens(0.02):
            _kill_a_render_worker(self._rng)
        return self._rng.choice(_FAULTS_OF_ENDPOINT) if self._happens(0.15) else None

    def of_probe(self, _path: str) -> Answer | None:
        """Decide about a question whether the endpoint is ready."""
        return self._wrong_probe if self._requests >= self._cut_at and self._happens(0.2) else None

    def of_store(self, store: FakeGcs, kind: str, bucket: str, key: str) -> Fault | None:
        """Decide about a request to the store. A document may be uploaded once more just before it is downloaded."""
        if kind == "media" and bucket == "in" and self._happens(0.1):
            store.put(bucket, key, store.get(bucket, key) or b"")
        fault = self._rng.choice(_FAULTS_OF_STORE)
        if fault.corrupted and kind != "media":
            return None
        return fault if self._happens(0.05) else None

    def sync(self, descriptor: int) -> None:
        """Take the place of `os.fsync`. A disk may be full for some writes, as when others write and delete as well."""
        late = self._full_at and self._requests >= self._full_at
        if late and stat.S_ISREG(os.fstat(descriptor).st_mode) and self._happens(0.3):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._sync(descriptor)

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


class Renderers:
    """Render workers for all schedules. A run after which no worker starts any more leaves the next run new ones."""

    def __init__(self) -> None:
        self.rasterizer = self._opened()

    def close(self) -> None:
        """Stop all workers."""
        asyncio.run(self.rasterizer.__aexit__(None, None, None))

    def after(self, summary: RunSummary) -> None:
        """Take other ones if the run was stopped because its own did not start."""
        if isinstance(summary.stopped_by, OutOfResources):
            self.close()
            self.rasterizer = self._opened()

    def _opened(self) -> PdfiumRasterizer:
        options = RenderOptions(longest_edge_px=200)
        return PdfiumRasterizer(workers=2, page_seconds=20, memory_bytes=2**31, options=options)


async def within_bounds(run: Awaitable[T]) -> T:
    """Wait for a run.

    Raises:
        AssertionError: It hangs, or its clean-up after a signal does.
    """
    async with asyncio.timeout(_SECONDS) as limit:
        try:
            return await run
        finally:
            assert not limit.expired(), "the run hangs"


def assert_whole(objects: Mapping[str, bytes]) -> None:
    """No torn object; a document with a manifest has each page once, in order."""
    for name, body in objects.items():
        found = json.loads(body) if name.endswith(".json") else {}
        if not name.endswith("/manifest.json") or found["error"]:
            continue
        folder, pages = name.removesuffix("manifest.json"), found["document"]["page_count"]
        results = [json.loads(line) for line in objects[f"{folder}pages.jsonl"].splitlines()]
        text = objects[f"{folder}document.md"].decode()
        marks = [line for line in text.splitlines() if line.startswith("<!-- page ")]
        assert [result["number"] for result in results] == list(range(1, pages + 1))
        assert marks == [f"<!-- page {number} -->" for number in range(1, pages + 1)]
        assert sum(found["statuses"].values()) == pages == found["pages"]


def assert_accounted_for(summary: RunSummary) -> None:
    """Each page has one status, and the exit code is one of those that say what happened."""
    of_documents = sum((Counter(outcome.statuses) for outcome in summary.outcomes), Counter[Status]())
    assert +of_documents == +Counter(summary.statuses)
    assert summary.pages == sum(summary.statuses.values()) == sum(outcome.pages for outcome in summary.outcomes)
    assert summary.documents == len(summary.outcomes) == len({outcome.key for outcome in summary.outcomes})
    if summary.stopped_by:
        assert exit_code(summary) in _ENDS
        assert summary.pages <= sum(PAGES.values())
        return
    assert len(summary.outcomes) == len(PAGES)
    for outcome, pages in zip(summary.outcomes, (PAGES[name] for name in sorted(PAGES)), strict=True):
        assert outcome.error or outcome.pages == pages
    failed = summary.statuses[Status.FAILED] or any(outcome.error for outcome in summary.outcomes)
    assert exit_code(summary) is (ExitCode.FAILURES if failed else ExitCode.DONE)


def assert_complete(last: RunSummary, schedule: Schedule) -> None:
    """After the faults, one more run reads everything but the page that no endpoint can read."""
    assert last.stopped_by is None
    assert last.pages == sum(PAGES.values())
    assert last.statuses[Status.FAILED] == schedule.poisoned
    assert exit_code(last) is (ExitCode.FAILURES if schedule.poisoned else ExitCode.DONE)


def differing_pages(wanted: Mapping[str, bytes], got: Mapping[str, bytes]) -> list[bytes]:
    """Pages whose text is not that of the undisturbed run."""
    differing = []
    for key in [key for key in wanted if key.endswith("/document.md")]:
        pages = (objects[key].split(b"<!-- page ")[1:] for objects in (wanted, got))
        differing += [page for page, other in zip(*pages, strict=True) if page != other]
    return differing


def files_below(folder: Path) -> dict[str, bytes]:
    """What a local destination holds, by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seeds(every: int = 1) -> pytest.MarkDecorator:
    """The seeds that FAULT_SEEDS asks for, or one of `every` so many of them."""
    return pytest.mark.parametrize("seed", range(0, int(os.environ.get("FAULT_SEEDS", "12")), every))

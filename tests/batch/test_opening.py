"""How far documents are opened ahead, and in which threads."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import pytest
from google.cloud import storage

from pagemill.batch.chunks import BatchLimits
from pagemill.domain.pages.model import CountedPdf, Document, Status
from pagemill.errors import NoRoomLeft, StoreUnusable
from pagemill.ports import LocalCopy
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.local_source import LocalSource
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill, NoThreads
from tests.fakes.gcs import FakeGcs, Fault
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.fakes.rasterizer import FakeRasterizer

_PATIENCE_SECONDS = 60.0
_OBJECT = 10_000  # bytes


class _Measured(GcsSource):
    """Notes how many bytes of copies exist at once."""

    def __init__(self, client: storage.Client) -> None:
        super().__init__(client, Location("in", ""), largest_bytes=2**20)
        self.most = self.now = 0
        self._guard = threading.Lock()

    @contextmanager
    def local_copy(self, document: Document) -> Iterator[LocalCopy]:
        with super().local_copy(document) as copy:
            size = copy.path.stat().st_size
            self._add(size)
            yield copy
            self._add(-size)

    def _add(self, size: int) -> None:
        with self._guard:
            self.now += size
            self.most = max(self.most, self.now)


@pytest.fixture
def measured(mill: Mill, google: FakeGcs, gcs_client: storage.Client) -> _Measured:
    google.create_bucket("in")
    mill.documents = measured = _Measured(gcs_client)
    return measured


@pytest.mark.parametrize("packed", [False, True], ids=["as they are", "packed"])
async def test_no_more_bytes_are_downloaded_than_may_be_open(
    mill: Mill, measured: _Measured, google: FakeGcs, *, packed: bool
) -> None:
    for number in range(20):
        data = b"2".ljust(_OBJECT)
        data, encoding = (gzip.compress(data), "gzip") if packed else (data, "")
        google.put("in", f"{number:02}.pdf", data, content_encoding=encoding)

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, limits=BatchLimits(open_bytes=4 * _OBJECT))

    assert summary.statuses[Status.OK] == 40
    assert 2 * _OBJECT <= measured.most <= 6 * _OBJECT  # two are open even if there is no room
    assert measured.now == 0


async def test_few_pages_wait_for_their_turn(mill: Mill, measured: _Measured, google: FakeGcs) -> None:
    for number in range(16):
        google.put("in", f"{number:02}.pdf", b"8".ljust(_OBJECT))

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, limits=BatchLimits(pages_ahead=16, pages=8))

    assert summary.statuses[Status.OK] == 128
    assert measured.most <= 6 * _OBJECT  # two wait, the others are read, or closed after that


class _Repairing(FakeRasterizer):
    """Renders from copies that it has repaired, and notes how many bytes of them exist at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.most = self.now = 0
        self._folder = folder

    @asynccontextmanager
    async def counted(self, path: Path) -> AsyncIterator[CountedPdf]:
        async with super().counted(path) as pdf:
            copy = await asyncio.to_thread(self._copied, path)
            self.now += _OBJECT
            self.most = max(self.most, self.now)
            yield replace(pdf, path=copy)
            self.now -= _OBJECT

    def _copied(self, path: Path) -> Path:
        return Path(copyfile(path, self._folder / path.resolve().name))


async def test_repaired_copies_take_no_more_bytes_than_may_be_open(mill: Mill, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    mill.rasterizer = repairing = _Repairing(tmp_path / "copies")
    for number in range(20):
        mill.add(f"{number:02}.pdf", "2".ljust(_OBJECT))

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, limits=BatchLimits(open_bytes=4 * _OBJECT))

    assert summary.statuses[Status.OK] == 40
    assert 2 * _OBJECT <= repairing.most <= 6 * _OBJECT  # two are open even if there is no room
    assert repairing.now == 0


class _Waiting(LocalSource):
    """Its documents other than `a.pdf` arrive only after something has happened."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.happened = threading.Event()
        self.closed_by: dict[str, str] = {}  # threads by document
        self.in_time = True

    @contextmanager
    def local_copy(self, document: Document) -> Iterator[LocalCopy]:
        if document.key != "a.pdf":
            self.in_time = self.happened.wait(_PATIENCE_SECONDS) and self.in_time
        with super().local_copy(document) as copy:
            yield copy
        self.closed_by[document.key] = threading.current_thread().name


class _Telling(LocalStore):
    """A store that says when something is written."""

    def __init__(self, root: Path, name: str, happened: Callable[[], object]) -> None:
        super().__init__(root)
        self._name, self._happened = name, happened

    def write(self, key: str, *args: object, **kwargs: object) -> None:
        super().write(key, *args, **kwargs)  # type: ignore[arg-type]
        if key.endswith(self._name):
            self._happened()


@pytest.mark.parametrize("what", ["a.pdf/manifest.json", "00003.json"])
async def test_neither_saves_nor_texts_wait_for_downloads(mill: Mill, what: str) -> None:
    for name in ["a.pdf", *(f"b{number}.pdf" for number in range(40))]:
        mill.add(name, "3" if name == "a.pdf" else "1")
    mill.documents = waiting = _Waiting(mill.source)
    mill.store = _Telling(mill.out, what, waiting.happened.set)

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert waiting.in_time
    assert summary.statuses[Status.OK] == 43
    assert not {
        name for name in waiting.closed_by.values() if not name.startswith("download")
    }  # none on the event loop


async def test_no_call_of_a_batch_waits_for_the_threads_that_all_calls_of_an_event_loop_share(
    mill: Mill, no_threads: NoThreads
) -> None:
    mill.add("a.pdf", "6 broken=2 pieces=4:3")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses == {Status.OK: 5, Status.FAILED: 1}
    assert no_threads.calls == []


def test_a_download_that_is_no_longer_wanted_is_deleted_when_it_arrives(
    mill: Mill, caplog: pytest.LogCaptureFixture
) -> None:
    mill.add("a.pdf", "1")
    mill.add("b.pdf", "1")
    mill.documents = waiting = _Waiting(mill.source)

    async def interrupted() -> None:
        published = asyncio.Event()
        loop = asyncio.get_running_loop()
        mill.store = _Telling(mill.out, "manifest.json", lambda: loop.call_soon_threadsafe(published.set))
        async with FakeEndpoint() as endpoint:
            run = asyncio.create_task(mill.run(endpoint))
            await published.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run

    asyncio.run(interrupted())
    assert "b.pdf" not in waiting.closed_by
    waiting.happened.set()
    for thread in threading.enumerate():
        if thread.name.startswith("download"):
            thread.join(_PATIENCE_SECONDS)

    assert "b.pdf" in waiting.closed_by
    assert not caplog.records  # as of a callback into a loop that is closed


@pytest.mark.usefixtures("measured")
async def test_a_dry_run_opens_several_documents_at_once_and_no_finished_one(mill: Mill, google: FakeGcs) -> None:
    for number in range(12):
        google.put("in", f"{number:02}.pdf", b"2")
    google.put("in", "12.pdf", b"rubbish")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
    for number in range(4):
        google.put("in", f"{number:02}.pdf", b"3")
    four, downloaded = threading.Barrier(4, timeout=_PATIENCE_SECONDS), list[str]()

    def together(kind: str, _bucket: str, key: str) -> Fault | None:
        if kind == "media":
            downloaded.append(key)
            if key < "04":
                four.wait()
        return None

    google.fault = together
    async with mill.batch("http://127.0.0.1:9") as batch:
        survey = await batch.documents.survey()

    assert sorted(downloaded) == ["00.pdf", "01.pdf", "02.pdf", "03.pdf", "12.pdf"]
    assert [(found.key, found.page_count, found.to_read) for found in survey] == [
        *((f"{number:02}.pdf", 3, 3) for number in range(4)),
        *((f"{number:02}.pdf", 2, 0) for number in range(4, 12)),
        ("12.pdf", 0, 0),
    ]
    assert survey[-1].error == "not a PDF"


async def test_a_dry_run_over_a_source_that_fails_half_way_says_so(
    mill: Mill, google: FakeGcs, measured: _Measured
) -> None:
    for number in range(1001):
        google.put("in", f"{number:04}.{'pdf' if number < 3 else 'txt'}", b"1")
    google.fault = lambda kind, _bucket, _key: (
        Fault(status=403) if kind == "list" and google.requests["list"] > 1 else None
    )

    async with mill.batch("http://127.0.0.1:9") as batch:
        with pytest.raises(StoreUnusable, match="no permission"):
            await batch.documents.survey()
    assert measured.now == 0


async def test_a_defect_of_ours_costs_its_document_in_a_dry_run_too(mill: Mill) -> None:
    class Defective(LocalSource):
        @contextmanager
        def local_copy(self, document: Document) -> Iterator[LocalCopy]:
            if document.key == "b.pdf":
                raise ZeroDivisionError("division by zero")
            with super().local_copy(document) as copy:
                yield copy

    for name in ("a.pdf", "b.pdf", "c.pdf"):
        mill.add(name, "1")
    mill.documents = Defective(mill.source)

    async with mill.batch("http://127.0.0.1:9") as batch:
        survey = await batch.documents.survey()

    assert [found.page_count for found in survey] == [1, 0, 1]
    assert "please report it" in survey[1].error


async def test_documents_that_wait_for_room_are_not_downloaded_after_the_run_has_stopped(
    mill: Mill, measured: _Measured, google: FakeGcs
) -> None:
    for number in range(20):
        google.put("in", f"{number:02}.pdf", b"2".ljust(_OBJECT))

    class Full(LocalStore):
        def write(self, key: str, *args: object, **kwargs: object) -> None:  # noqa: ARG002 -- as that of every store
            raise NoRoomLeft("the disk is full; free some space")

    mill.store = Full(mill.out)
    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, limits=BatchLimits(open_bytes=3 * _OBJECT))

    assert isinstance(summary.stopped_by, NoRoomLeft)
    assert google.requests["media"] <= 5
    assert summary.documents == len(summary.outcomes)
    assert not any(outcome.error for outcome in summary.outcomes)
    assert measured.now == 0

"""A full disk ends the run in words, leaves nothing behind, and every page that was read is kept and counted."""

from __future__ import annotations

import gzip
import resource
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import NoRoomLeft
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.source import GcsSource
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs
from tests.fakes.memory_store import MemoryStore
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint, Request, image_name

_ROOM = 2**17  # bytes that a file may have
_TOO_LONG = " ".join(map(str, range(2**15)))  # no word twice: a repetition would be refused


@pytest.fixture
def little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No file gets larger than `_ROOM`, as where a disk or a quota is nearly full; yields the temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, hard))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


def _long_page(page: bytes) -> FakeEndpoint:
    """An endpoint that reads more from one page than there is room for."""
    name = image_name(page)

    def answer(request: Request) -> Answer | None:
        return Answer(text=_TOO_LONG) if request.image == name else None

    return FakeEndpoint(answer)


def _assert_ended_in_words(summary: RunSummary, says: str) -> None:
    assert isinstance(summary.stopped_by, NoRoomLeft)
    assert says in str(summary.stopped_by)
    assert "free some space" in str(summary.stopped_by)
    assert exit_code(summary) is ExitCode.STORE_UNUSABLE
    of_documents = sum((Counter(outcome.statuses) for outcome in summary.outcomes), Counter[Status]())
    assert +of_documents == +Counter(summary.statuses)
    assert summary.documents == len(summary.outcomes)
    assert summary.trouble.endswith("not finished")


async def test_a_full_destination_ends_the_run_and_leaves_no_half_file(mill: Mill, little_room: Path) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        mill.add(name, "4")

    async with _long_page(b"b.pdf 2") as endpoint:
        summary = await mill.run(endpoint)

    _assert_ended_in_words(summary, "/b.pdf/pages/")
    names = _names_in(mill.out)
    assert not [name for name in names if name.startswith(".")]
    assert sum(name.startswith("0000") for name in names) == summary.statuses[Status.OK]
    assert _names_in(little_room) == []


async def test_a_full_temporary_folder_ends_the_run_when_texts_are_joined(mill: Mill, little_room: Path) -> None:
    mill.store = MemoryStore()
    mill.add("a.pdf", "20")

    async with FakeEndpoint(lambda _: Answer(text=_TOO_LONG)) as endpoint:
        summary = await mill.run(endpoint)

    _assert_ended_in_words(summary, f"the temporary folder {little_room} has no room left")
    assert summary.statuses[Status.OK] == 20
    assert _names_in(little_room) == []


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "packed"])
async def test_a_full_temporary_folder_ends_the_run_when_objects_are_downloaded(
    mill: Mill, little_room: Path, google: FakeGcs, gcs_client: storage.Client, *, packed: bool
) -> None:
    google.create_bucket("in")
    google.put("in", "a.pdf", b"2")
    large = b"1 ".ljust(2 * _ROOM)
    google.put("in", "b.pdf", gzip.compress(large) if packed else large, content_encoding="gzip" if packed else "")
    mill.documents = GcsSource(gcs_client, Location("in", ""), largest_bytes=2**20)

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    _assert_ended_in_words(summary, f"the temporary folder {little_room} has no room left")
    assert _names_in(little_room) == []


@pytest.mark.parametrize("name", ["b1-count-too-small", "b3b-null-kid-right-count"])
async def test_a_full_temporary_folder_is_no_fault_of_a_document_that_needs_a_repaired_copy(
    little_room: Path, name: str
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))  # `little_room` sets it back
    damaged = Path(__file__).parents[1] / "faulty_inputs" / f"{name}.pdf"

    async with PdfiumRasterizer(workers=1, page_seconds=60, memory_bytes=2**31, options=RenderOptions()) as rasterizer:
        with pytest.raises(NoRoomLeft, match=f"the temporary folder {little_room} has no room left"):
            await rasterizer.page_count(damaged)

    assert _names_in(little_room) == []

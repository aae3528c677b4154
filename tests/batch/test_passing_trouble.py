"""Trouble that passes: it is said in the summary, what an earlier run has written stays, and no document is blamed."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pagemill.batch.chunks import BatchLimits
from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.model import STANDARD_PICTURE, Document, Picture, RejectedEntry, Rendering
from pagemill.errors import OutOfResources, StoreUnusable
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.storage.local_source import ListedSource, LocalSource
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.fakes.rasterizer import FakeRasterizer


class _Unreadable(LocalSource):
    """A source of which some files may not be read for now."""

    def __init__(self, path: Path, *names: str) -> None:
        super().__init__(path)
        self._names = names

    def documents(self) -> Iterator[Document | RejectedEntry]:
        for entry in super().documents():
            locked = entry.key in self._names
            reason = "the file cannot be read: Permission denied"
            yield RejectedEntry(entry.key, reason, shared_cause=reason) if locked else entry


def _written(mill: Mill, name: str = "a.pdf") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (mill.out / name).iterdir() if path.is_file()}


@pytest.fixture
async def finished(mill: Mill) -> AsyncIterator[Mill]:
    """Two documents, both read."""
    mill.add("a.pdf", "2")
    mill.add("b.pdf", "1")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        mill.url = endpoint.url
        yield mill


async def test_a_finished_document_that_cannot_be_read_for_now_keeps_its_manifest_and_its_texts(finished: Mill) -> None:
    before = _written(finished)
    finished.documents = _Unreadable(finished.source, "a.pdf")

    summary = await finished.run()
    finished.documents = None
    again = await finished.run()

    assert set(before) == {"document.md", "pages.jsonl", "manifest.json"}
    assert _written(finished) == before
    assert [outcome.error for outcome in summary.outcomes] == ["the file cannot be read: Permission denied", ""]
    assert exit_code(summary) is ExitCode.FAILURES
    assert (again.requests, again.reused, again.complete) == (0, 3, True)


async def test_a_finished_document_whose_new_bytes_are_no_pdf_keeps_the_manifest_of_its_texts(finished: Mill) -> None:
    before = _written(finished)
    finished.add("a.pdf", "rubbish")

    summary = await finished.run()

    assert _written(finished) == before
    assert summary.outcomes[0].error == "not a PDF"


async def test_a_listed_document_that_moved_away_keeps_its_manifest(finished: Mill, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("in/a.pdf\nin/b.pdf\n")
    finished.documents = ListedSource(tmp_path / "list.txt")
    await finished.run()
    before = _written(finished, "in/a.pdf")
    (finished.source / "a.pdf").rename(tmp_path / "elsewhere.pdf")

    summary = await finished.run()

    assert "no such file" in summary.outcomes[0].error
    assert _written(finished, "in/a.pdf") == before


async def test_texts_without_a_manifest_are_not_given_one_that_says_there_are_none(finished: Mill) -> None:
    (finished.out / "a.pdf/manifest.json").unlink()
    finished.documents = _Unreadable(finished.source, "a.pdf")

    await finished.run()
    texts = _written(finished)
    finished.documents = None
    again = await finished.run()

    assert set(texts) == {"document.md", "pages.jsonl"}
    assert (again.requests, again.reused) == (0, 3)


async def test_a_document_that_never_had_texts_gets_a_manifest_that_says_why(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    mill.add("b.pdf", "1")
    mill.documents = _Unreadable(mill.source, "a.pdf")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        error = _written(mill)
        mill.documents = None
        await mill.run(endpoint)

    assert b"Permission denied" in error["manifest.json"]
    assert set(_written(mill)) == {"document.md", "pages.jsonl", "manifest.json"}
    assert b'"error": null' in _written(mill)["manifest.json"]


async def test_a_source_of_which_no_file_may_be_read_stops_the_run_and_blames_no_document(mill: Mill) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        mill.add(name, "1")
    mill.documents = _Unreadable(mill.source, "a.pdf", "b.pdf", "c.pdf")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert exit_code(summary) is ExitCode.STORE_UNUSABLE
    assert "none of its 3 documents can be read, all for the same reason" in str(summary.stopped_by)
    assert "Permission denied (the first is a.pdf)" in str(summary.stopped_by)
    assert [(outcome.finished, outcome.error) for outcome in summary.outcomes] == [(False, "")] * 3
    assert not list(mill.out.rglob("manifest.json"))


async def test_one_file_that_may_not_be_read_or_several_for_their_own_reasons_are_named_each(mill: Mill) -> None:
    mill.add("a.pdf", "1")
    mill.documents = _Unreadable(mill.source, "a.pdf")
    async with FakeEndpoint() as endpoint:
        one = await mill.run(endpoint)
        (mill.source / "list.txt").write_text("x.pdf\ny.pdf\n")
        mill.documents = ListedSource(mill.source / "list.txt")
        two = await mill.run(endpoint)

    assert [outcome.key for outcome in one.outcomes] == ["a.pdf"]
    assert [outcome.key for outcome in two.outcomes] == ["x.pdf", "y.pdf"]


async def test_a_source_that_moves_away_in_mid_run_stops_it_and_blames_no_document(mill: Mill) -> None:
    for number in range(5):
        mill.add(f"{number}.pdf", "1")

    class Moving(FakeRasterizer):
        async def page_count(self, path: Path) -> int:
            count = await super().page_count(path)
            if mill.source.exists():
                mill.source.rename(mill.source.with_name("elsewhere"))
            return count

        async def render(self, path: Path, number: int, _: Picture = STANDARD_PICTURE) -> Rendering:
            return Rendering(number, 10, 10, path.name.encode())

    mill.rasterizer = Moving()
    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, limits=BatchLimits(documents=1))

    assert isinstance(summary.stopped_by, StoreUnusable)
    assert "is gone since the run began" in str(summary.stopped_by)
    assert not any(outcome.error for outcome in summary.outcomes)
    assert b'"error": "' not in b"".join(path.read_bytes() for path in mill.out.rglob("manifest.json"))


@pytest.mark.parametrize(
    ("worker_module", "memory_bytes"),
    [
        ("pagemill.no_such_module", 2**31),
        ("pagemill.pdf.worker", 2**26),  # has too little memory to be imported
    ],
)
async def test_render_workers_that_do_not_start_stop_the_run_and_blame_no_document(
    finished: Mill, worker_module: str, memory_bytes: int
) -> None:
    before = _written(finished)
    finished.add("a.pdf", "new bytes")
    finished.add("c.pdf", "1")
    async with PdfiumRasterizer(
        workers=1,
        page_seconds=20,
        memory_bytes=memory_bytes,
        options=RenderOptions(),
        worker_module=worker_module,
    ) as rasterizer:
        finished.rasterizer = rasterizer
        summary = await finished.run()

    assert isinstance(summary.stopped_by, OutOfResources)
    assert "render workers do not start: the process ended with status" in str(summary.stopped_by)
    assert exit_code(summary) is ExitCode.WRONG_USAGE
    assert [outcome.key for outcome in summary.outcomes if outcome.finished] in ([], ["b.pdf"])  # it needs no worker
    assert not any(outcome.error for outcome in summary.outcomes)
    assert _written(finished) == before
    assert not (finished.out / "c.pdf").exists()


def _refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_source_says_that_the_machine_opens_no_further_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pdf").write_text("1")
    monkeypatch.setattr("pagemill.storage.local_source.without_waiting", _refuse)

    with pytest.raises(OutOfResources, match=r"too many files are open.* ulimit -n"):
        list(LocalSource(tmp_path / "a.pdf").documents())


@pytest.mark.parametrize("folder", ["source", "source/sub"])
def test_a_source_says_that_the_machine_opens_no_further_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "source" / "sub").mkdir(parents=True)
    scandir = os.scandir

    def refuse_one(path: str | Path) -> Any:
        return _refuse() if Path(path) == tmp_path / folder else scandir(path)

    monkeypatch.setattr(os, "scandir", refuse_one)

    with pytest.raises(OutOfResources, match=r"too many files are open.* ulimit -n"):
        list(LocalSource(tmp_path / "source").documents())


async def test_a_worker_that_the_machine_does_not_start_is_no_fault_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pdf").write_text("1")
    monkeypatch.setattr("pagemill.workers.process.subprocess.Popen", _refuse)

    async with PdfiumRasterizer(workers=1, page_seconds=20, memory_bytes=2**31, options=RenderOptions()) as rasterizer:
        with pytest.raises(OutOfResources, match="render workers do not start: Too many open files"):
            await rasterizer.render(tmp_path / "a.pdf", 1)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "no memory left"),
        (MemoryError(), "no memory left"),
        (RuntimeError("can't start new thread"), "starts no further thread"),
        (ExceptionGroup("", [ValueError(), ExceptionGroup("", [MemoryError()])]), "no memory left"),
    ],
)
async def test_what_the_machine_lacks_stops_the_run_wherever_it_is_met(
    finished: Mill, error: Exception, says: str
) -> None:
    class Lacking(LocalStore):
        def read(self, key: str) -> Any:
            if key == "c.pdf/manifest.json":
                raise error
            return super().read(key)

    finished.add("c.pdf", "1")
    finished.store = Lacking(finished.out)

    summary = await finished.run()

    assert isinstance(summary.stopped_by, OutOfResources)
    assert says in str(summary.stopped_by)
    assert not any(outcome.error for outcome in summary.outcomes)


async def test_a_source_that_lacks_the_machines_means_stops_the_run(finished: Mill) -> None:
    class Lacking(LocalSource):
        def documents(self) -> Iterator[Document | RejectedEntry]:
            yield next(iter(super().documents()))
            raise OutOfResources("too many files are open")

    finished.documents = Lacking(finished.source)

    summary = await finished.run()

    assert exit_code(summary) is ExitCode.WRONG_USAGE
    assert str(summary.stopped_by) == "too many files are open"

"""Documents that change while they are read: no page of another version is taken for one of the listed version."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Status
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint, Request, image_name
from tests.pdfs import write_pdf

_PAGES = 40
_BEFORE = 9  # requests before the change


def _pdf(path: Path, version: str) -> Path:
    return write_pdf(path, [f"{version} version, page {number}" for number in range(1, _PAGES + 1)])


def _rasterizer(workers: int = 2) -> PdfiumRasterizer:
    return PdfiumRasterizer(workers=workers, page_seconds=30.0, memory_bytes=2 * 2**30, options=RenderOptions())


async def _images(path: Path) -> list[str]:
    async with _rasterizer(workers=1) as rasterizer:
        renderings = [await rasterizer.render(path, number) for number in range(1, _PAGES + 1)]
    return [image_name(rendering.png or b"") for rendering in renderings]


def _replace(file: Path, new: Path) -> None:
    new.rename(file)


def _overwrite(file: Path, new: Path) -> None:
    file.write_bytes(new.read_bytes())


def _overwrite_and_reset_its_time(file: Path, new: Path) -> None:
    before = file.stat()
    file.write_bytes(new.read_bytes())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _truncate(file: Path, new: Path) -> None:
    del new
    os.truncate(file, 1000)


def _delete(file: Path, new: Path) -> None:
    del new
    file.unlink()


Change = Callable[[Path, Path], None]


async def _read_while(change: Change, mill: Mill, tmp_path: Path) -> Counter[Status]:
    """Read a document that changes after some pages, in workers that are new after that; return its statuses."""
    file, new = _pdf(mill.source / "a.pdf", "old"), _pdf(tmp_path / "new.pdf", "new")
    old_images = await _images(file)

    def answer(request: Request) -> Answer | None:
        if request.index == _BEFORE:
            change(file, new)
            for worker in list(mill.rasterizer._workers):  # noqa: SLF001 -- killed as by the kernel
                os.kill(worker.pid, signal.SIGKILL)
        return Answer(text=request.image)

    async with FakeEndpoint(answer) as endpoint, _rasterizer() as rasterizer:
        mill.rasterizer = rasterizer
        summary = await mill.run(endpoint)

    results = [json.loads(line) for line in (mill.out / "a.pdf/pages.jsonl").read_text().splitlines()]
    assert [result["number"] for result in results] == list(range(1, _PAGES + 1))
    for result in results:
        if result["status"] == "failed":
            assert result["objections"] == ["the file was changed or replaced while it was read; run again"]
        else:
            assert result["markdown"] == old_images[result["number"] - 1]
    return +Counter(summary.statuses)


@pytest.mark.parametrize("change", [_replace, _delete])
async def test_a_document_that_is_replaced_or_deleted_is_read_to_its_end(
    mill: Mill, tmp_path: Path, change: Change
) -> None:
    assert await _read_while(change, mill, tmp_path) == {Status.OK: _PAGES}


@pytest.mark.parametrize("change", [_overwrite, _overwrite_and_reset_its_time, _truncate])
async def test_of_a_document_that_is_overwritten_what_was_rendered_is_kept_and_the_rest_fails(
    mill: Mill, tmp_path: Path, change: Change
) -> None:
    statuses = await _read_while(change, mill, tmp_path)

    assert set(statuses) == {Status.OK, Status.FAILED}
    assert statuses.total() == _PAGES
    assert statuses[Status.OK] >= _BEFORE


async def test_the_next_run_reads_the_new_version_and_no_page_of_the_old_one(mill: Mill, tmp_path: Path) -> None:
    await _read_while(_overwrite, mill, tmp_path)
    new_images = await _images(mill.source / "a.pdf")

    async with FakeEndpoint(lambda request: Answer(text=request.image)) as endpoint, _rasterizer() as rasterizer:
        mill.rasterizer = rasterizer
        summary = await mill.run(endpoint)

    assert (summary.requests, summary.complete) == (_PAGES, True)
    texts = [json.loads(line)["markdown"] for line in (mill.out / "a.pdf/pages.jsonl").read_text().splitlines()]
    assert texts == new_images

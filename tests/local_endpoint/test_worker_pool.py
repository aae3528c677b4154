from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pagemill.errors import RequestRejected, WorkerLost
from pagemill.local_endpoint.engines import EngineName
from pagemill.local_endpoint.worker_pool import WorkerPool

Eventually = Callable[[Callable[[], object]], None]

pytestmark = pytest.mark.ocr


async def test_a_worker_whose_page_takes_too_long_is_killed_and_replaced(png: bytes, eventually: Eventually) -> None:
    with WorkerPool(EngineName.RAPIDOCR, workers=1, seconds_a_page=0.001) as pool:
        await asyncio.to_thread(eventually, lambda: pool.ready)
        (before,) = _workers()

        with pytest.raises(WorkerLost, match="took longer than"):
            await pool.read(png)

        (after,) = _workers()
        assert after.pid != before.pid
    assert not _workers()


async def test_a_worker_continues_after_it_rejected_an_image(png: bytes) -> None:
    with WorkerPool(EngineName.RAPIDOCR, workers=1) as pool:
        (before,) = _workers()

        with pytest.raises(RequestRejected):
            await pool.read(b"no image")

        assert (await pool.read(png)).width_px == 56
        assert _workers() == [before]


async def test_running_and_waiting_requests_end_when_the_pool_is_closed(png: bytes) -> None:
    with WorkerPool(EngineName.RAPIDOCR, workers=1) as pool:
        readings = [asyncio.ensure_future(pool.read(png)) for _ in range(3)]
        await asyncio.sleep(0)  # each is handed to the pool's threads

        pool.close()
        outcomes = await asyncio.gather(*readings, return_exceptions=True)

    assert [str(outcome) for outcome in outcomes] == ["the service is stopping"] * 3


def test_a_pool_that_is_still_loading_is_not_ready() -> None:
    with WorkerPool(EngineName.RAPIDOCR, workers=1) as pool:
        assert not pool.ready


def test_a_failure_to_load_is_reported(tmp_path: Path) -> None:
    told = threading.Event()
    with WorkerPool(EngineName.TESSERACT, workers=1, tessdata=tmp_path) as pool:
        pool.on_failure_to_load(lambda _: told.set())

        assert told.wait(timeout=30)
        assert not pool.ready


async def test_workers_leave_nothing_in_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, png: bytes
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)

    with WorkerPool(EngineName.RAPIDOCR, workers=1) as pool:
        await pool.read(png)

    assert _below(tmp_path) == []


def _below(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def _workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "ocr_worker" in " ".join(child.cmdline())]

"""Local copies of documents are deleted, however their use ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pagemill.batch.chunks import BatchLimits
from pagemill.batch.local_files import LocalFiles
from pagemill.batch.stop import RunStop
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.pages.model import Document
from tests.fakes.rasterizer import FakeRasterizer


class _Copies:
    """Hands out one file, and knows whether it still has it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "copy.pdf"

    @contextlib.contextmanager
    def local_copy(self, _document: Document) -> Iterator[SimpleNamespace]:
        self.path.write_text("3")
        try:
            yield SimpleNamespace(path=self.path, check=lambda: None)
        finally:
            self.path.unlink()


@pytest.mark.parametrize("error", [None, RuntimeError("a defect")], ids=["it was read", "something failed"])
async def test_a_copy_is_deleted_although_the_run_is_interrupted_before_its_deletion_begins(
    tmp_path: Path, error: Exception | None
) -> None:
    copies: Any = _Copies(tmp_path)
    opened, done = asyncio.Event(), asyncio.Event()

    async def use(files: LocalFiles) -> None:
        async with files.counted(Document("a.pdf", "1", 1, "a.pdf", copy_bytes=1)):
            opened.set()
            await done.wait()
            if error:
                raise error

    with closing(BlockingCalls(pages=1, documents=1)) as threads:
        files = LocalFiles(
            copies, FakeRasterizer(), stop=RunStop(), threads=threads, limits=BatchLimits(), on_copy=lambda: None
        )
        using = asyncio.create_task(use(files))
        await opened.wait()
        released = threading.Event()
        before_it = threads.downloads.begin(released.wait)  # takes the only thread
        done.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        using.cancel()
        await asyncio.wait([using])
        released.set()
        await before_it
        await threads.downloads(int)  # after whatever was begun before

    assert not copies.path.exists()

"""The rasterizer: a pool of render workers, and the clock that runs against them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pagemill.domain.pages.model import Rendering
from pagemill.errors import DocumentUnreadable, PagemillError, PageUnreadable, WorkerLost
from pagemill.pdf.page import CountPages, RenderOptions, RenderPage
from pagemill.worker_process import WorkerProcess

_TRIES = 2  # an earlier page may have damaged the worker that died; a fresh worker shows which page is the cause


class PdfiumRasterizer:
    """Renders pages in `workers` processes; a page that kills or hangs a worker fails alone.

    Each worker belongs to one thread, which waits for it. Requests queue in the thread pool, in the order they come.
    """

    def __init__(
        self,
        *,
        workers: int,
        page_seconds: float,
        memory_bytes: int,
        options: RenderOptions,
        worker_module: str = "pagemill.pdf.worker",
    ) -> None:
        """Configure; processes start with the first page.

        Args:
            workers: Processes, one core each.
            page_seconds: Longest time a page may take before its worker is stopped.
            memory_bytes: Address space of a worker; below 2 GiB PDFium leaves out large images without an error.
            options: How pages are rendered.
            worker_module: The module that a worker runs as its main.
        """
        self._page_seconds = page_seconds
        self._worker_module = worker_module
        self._arguments = [str(memory_bytes), json.dumps(asdict(options))]
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="render")
        self._own = threading.local()
        self._workers: set[WorkerProcess] = set()
        self._guard = threading.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._closed = True
            for worker in self._workers:
                worker.kill()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def page_count(self, path: Path) -> int:
        """Count a PDF's pages.

        Raises:
            DocumentUnreadable: The file cannot be opened as a PDF, has no pages, or kills every worker that opens it.
        """
        with _translated_to(DocumentUnreadable, "opening the PDF"):
            count: int = await self._call(CountPages(path))
        return count

    async def render(self, path: Path, number: int) -> Rendering:
        """Render one page, 1-based.

        Raises:
            PageUnreadable: The page cannot be rendered, or kills or hangs every worker that tries.
        """
        with _translated_to(PageUnreadable, "rendering the page"):
            rendering: Rendering = await self._call(RenderPage(path, number))
        return rendering

    async def _call(self, request: CountPages | RenderPage) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._call_own_worker, request)

    def _call_own_worker(self, request: CountPages | RenderPage) -> Any:
        losses: list[str] = []
        while len(losses) < _TRIES:
            worker = self._own_worker()
            try:
                return worker.call(request, timeout_seconds=self._page_seconds)
            except WorkerLost as error:
                losses.append(str(error))
                self._discard(worker)
            except MemoryError:
                self._discard(worker)  # its state is unknown after that
                raise
        raise WorkerLost(f"{losses[0]}; in a fresh worker: {losses[1]}")

    def _own_worker(self) -> WorkerProcess:
        worker: WorkerProcess | None = getattr(self._own, "worker", None)
        if worker is None:
            with self._guard:
                if self._closed:
                    raise WorkerLost("the rasterizer is closed")
                worker = WorkerProcess(self._worker_module, self._arguments)
                self._workers.add(worker)
            self._own.worker = worker
        return worker

    def _discard(self, worker: WorkerProcess) -> None:
        self._own.worker = None
        with self._guard:
            self._workers.discard(worker)
        worker.kill()


@contextlib.contextmanager
def _translated_to(unreadable: type[DocumentUnreadable | PageUnreadable], doing: str) -> Iterator[None]:
    """Turn every error of a worker, its death included, into an error of the document or the page."""
    try:
        yield
    except WorkerLost as error:
        raise unreadable(f"{doing} fails: {error}") from error
    except MemoryError as error:
        raise unreadable(f"{doing} takes more memory than a render worker has") from error
    except PagemillError:
        raise
    except Exception as error:
        raise unreadable(f"{doing} fails: {type(error).__name__}: {error}") from error

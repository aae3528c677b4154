"""The rasterizer: a pool of render workers, and the clock that runs against them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pagemill.config.temporary_folder import check_room
from pagemill.domain.pages.model import STANDARD_PICTURE, CountedPdf, Picture, Rendering
from pagemill.errors import (
    DocumentUnreadable,
    NoRoomLeft,
    OutOfResources,
    PagemillError,
    PageUnreadable,
    RenderingLost,
    WorkerFault,
    WorkerLost,
    WorkerNeverReady,
    out_of_resources,
)
from pagemill.pdf import messages
from pagemill.pdf.answers import expected_count, expected_rendering
from pagemill.pdf.page import CountPages, RenderOptions, RenderPage
from pagemill.pdf.pdf_file import PdfFile
from pagemill.workers.containment import Containment
from pagemill.workers.process import Expected, WorkerProcess

T = TypeVar("T")

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
        self._options = options
        self._arguments = [str(memory_bytes), json.dumps(asdict(options))]
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="render")
        self._own = threading.local()
        self._workers: set[WorkerProcess] = set()
        self._guard = threading.Lock()
        self._closed = False
        self._containment: Containment | None = None
        self._no_worker: OutOfResources | None = None  # once no worker starts, nobody waits for another one

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

    @property
    def containment(self) -> Containment | None:
        """What the workers may not do, as the first of them says; None: none has been ready yet."""
        return self._containment

    async def page_count(self, path: Path) -> int:
        """Count a PDF's pages, as `counted` does."""
        async with self.counted(path) as pdf:
            return pdf.pages

    @contextlib.asynccontextmanager
    async def counted(self, path: Path) -> AsyncIterator[CountedPdf]:
        """Count a PDF's pages. A repaired copy, from which they are then rendered, exists until the context ends.

        Raises:
            DocumentUnreadable: The file cannot be opened as a PDF, has no pages, or kills every worker that opens it.
            NoRoomLeft: The temporary folder is full.
            OutOfResources: No worker starts.
        """
        copy = Path(tempfile.gettempdir()) / f"pagemill-{secrets.token_hex(16)}.pdf"
        try:
            with _translated_to(DocumentUnreadable, "opening the PDF", lost=DocumentUnreadable):
                pdf = await self._in_thread(lambda: self._count(path, copy))
            yield pdf
        finally:
            await asyncio.to_thread(copy.unlink, missing_ok=True)

    async def render(self, path: Path, number: int, picture: Picture = STANDARD_PICTURE) -> Rendering:
        """Render one page, 1-based, as this picture.

        Raises:
            PageUnreadable: The page cannot be rendered.
            RenderingLost: It kills or hangs every worker that tries.
            OutOfResources: No worker starts.
        """
        with _translated_to(PageUnreadable, "rendering the page", lost=RenderingLost):
            return await self._in_thread(lambda: self._render(path, number, picture))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _count(self, path: Path, copy: Path) -> CountedPdf:
        with _opened(path) as file, contextlib.ExitStack() as stack:
            place = None
            with contextlib.suppress(OSError):  # without room for a copy, most documents are read all the same
                place = stack.enter_context(PdfFile.created(copy))
            asked = CountPages(file, place)
            try:
                return self._call_own_worker(asked, expected_count(asked))
            except DocumentUnreadable:
                with contextlib.suppress(OSError):  # a worker may end no run: the parent looks itself
                    check_room()
                raise

    def _render(self, path: Path, number: int, picture: Picture) -> Rendering:
        with _opened(path) as file:
            asked = RenderPage(file, number, picture)
            return self._call_own_worker(asked, expected_rendering(asked, self._options))

    def _call_own_worker(self, asked: CountPages | RenderPage, expected: Expected[T]) -> T:
        request = messages.request_of(asked)
        losses: list[WorkerLost] = []
        while len(losses) < _TRIES:
            if self._no_worker:
                raise self._no_worker
            worker = self._own_worker()
            try:
                return worker.call(request, expected, timeout_seconds=self._page_seconds)
            except WorkerLost as error:
                losses.append(error)
                self._discard(worker)
            except MemoryError:
                self._discard(worker)  # its state is unknown after that
                raise
            finally:
                self._containment = worker.containment or self._containment
        if isinstance(losses[-1], WorkerNeverReady):
            self._no_worker = _no_worker(str(losses[-1]))
            raise self._no_worker from losses[-1]
        raise WorkerLost(f"{losses[0]}; in a fresh worker: {losses[1]}")

    def _own_worker(self) -> WorkerProcess:
        worker: WorkerProcess | None = getattr(self._own, "worker", None)
        if worker is None:
            with self._guard:
                if self._closed:
                    raise WorkerLost("the rasterizer is closed")
                try:
                    worker = WorkerProcess(self._worker_module, self._arguments)
                except OSError as error:
                    raise _no_worker(error.strerror or str(error)) from error
                self._workers.add(worker)
            self._own.worker = worker
        return worker

    def _discard(self, worker: WorkerProcess) -> None:
        self._own.worker = None
        with self._guard:
            self._workers.discard(worker)
        worker.kill()


def _no_worker(cause: str) -> OutOfResources:
    """A fresh worker that has had no request yet: whatever is wrong, no page is the cause."""
    return OutOfResources(
        f"render workers do not start: {cause}; what they print is above. Free memory and processes, lift a limit that "
        "`ulimit -a` shows, or set PAGEMILL_RENDER_WORKERS to a smaller number; `pagemill doctor` shows if one starts"
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[PdfFile]:
    try:
        file = PdfFile.opened(path)
    except OSError as error:
        raise out_of_resources(error) or DocumentUnreadable(f"cannot be read: {error.strerror or error}") from error
    with file:
        yield file


@contextlib.contextmanager
def _translated_to(
    unreadable: type[DocumentUnreadable | PageUnreadable], doing: str, *, lost: type[PagemillError]
) -> Iterator[None]:
    """Turn every error of a worker, its death included, into an error of the document or the page."""
    try:
        yield
    except (OutOfResources, NoRoomLeft):
        raise
    except WorkerLost as error:
        raise lost(f"{doing} fails: {error}") from error
    except WorkerFault as error:
        raise unreadable(f"{doing} fails: {error}") from error
    except MemoryError as error:
        raise unreadable(f"{doing} takes more memory than a render worker has") from error
    except PagemillError as error:
        raise unreadable(str(error)) from error
    except Exception as error:
        raise unreadable(f"{doing} fails: {type(error).__name__}: {error}") from error

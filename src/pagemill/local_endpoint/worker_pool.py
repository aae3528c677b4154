"""The OCR workers of one service: each a process with one thread, replaced when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from pagemill.errors import ServiceStopping, WorkerLost
from pagemill.local_endpoint.engines import EngineName
from pagemill.local_endpoint.reading import Reading
from pagemill.local_endpoint.worker_answers import READING
from pagemill.workers.frames import Message
from pagemill.workers.process import WorkerProcess

SECONDS_A_PAGE = 120.0
_SECONDS_TO_LOAD = 120.0
_STOPPING = "the service is stopping"


class WorkerPool:
    """Reads images with `workers` processes; a context manager that leaves no process behind."""

    def __init__(
        self,
        engine: EngineName,
        *,
        workers: int,
        tessdata: Path | None = None,
        seconds_a_page: float = SECONDS_A_PAGE,
    ) -> None:
        self._arguments = [engine, *([str(tessdata)] if tessdata else [])]
        self._size = workers
        self._seconds_a_page = seconds_a_page
        # One thread for each worker: a thread that gets a request always finds an idle worker.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="ocr-worker")
        self._idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        self._working: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self._loading: list[Future[Reading | None]] = []
        self._closing = False

    def __enter__(self) -> Self:
        for _ in range(self._size):
            self._idle.put(self._start_worker())
        self._loading = [self._threads.submit(self._call, None, _SECONDS_TO_LOAD) for _ in range(self._size)]
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ready(self) -> bool:
        """Whether all workers have loaded their models."""
        return all(loading.done() and not loading.exception() for loading in self._loading)

    def on_failure_to_load(self, tell: Callable[[BaseException], object]) -> None:
        """Call `tell` with the reason, in some thread, if a worker does not load its models."""
        for loading in self._loading:
            loading.add_done_callback(lambda done: tell(error) if (error := done.exception()) else None)

    async def read(self, image: bytes) -> Reading:
        """Read an encoded image when a worker is free. If the caller is cancelled before, nothing is read.

        Raises:
            RequestRejected: The bytes are not a readable image.
            WorkerLost: The worker died or took too long; another one replaces it.
        """
        reading = await asyncio.wrap_future(self._threads.submit(self._call, image, self._seconds_a_page))
        if reading is None:
            raise WorkerLost("the worker gave no answer")
        return reading

    def close(self) -> None:
        """Stop all workers at once; requests under way or waiting end with ServiceStopping. Idempotent."""
        with self._lock:
            self._closing = True
            for worker in self._working:
                # Its thread waits for it and reaps it; only that thread may use the connection.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
        self._threads.shutdown(wait=True)
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().kill()

    def _call(self, image: bytes | None, timeout_seconds: float) -> Reading | None:
        worker = self._take()
        try:
            request = Message({}, () if image is None else (image,))
            answer = worker.call(request, READING, timeout_seconds=timeout_seconds)
        except WorkerLost as lost:
            self._give_back(worker, replace=True)
            raise (ServiceStopping(_STOPPING) if self._closing else lost) from None
        except BaseException:
            self._give_back(worker)
            raise
        self._give_back(worker)
        return answer

    def _take(self) -> WorkerProcess:
        with self._lock:
            if self._closing:
                raise ServiceStopping(_STOPPING)
            worker = self._idle.get_nowait()
            self._working.add(worker)
        return worker

    def _give_back(self, worker: WorkerProcess, *, replace: bool = False) -> None:
        with self._lock:
            self._working.discard(worker)
            if replace and not self._closing:
                # Without processes or memory to start one, the next request finds the dead worker and tries again.
                with contextlib.suppress(OSError):
                    worker = self._start_worker()
            self._idle.put(worker)

    def _start_worker(self) -> WorkerProcess:
        return WorkerProcess("pagemill.local_endpoint.ocr_worker", self._arguments)

"""The OCR workers of one service: each a process with one thread, replaced when it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Self

from pagemill.errors import WorkerLost
from pagemill.local_endpoint.engines import EngineName
from pagemill.local_endpoint.reading import Reading
from pagemill.local_endpoint.worker_answers import READING
from pagemill.workers.frames import Message
from pagemill.workers.pool import ProcessPool

SECONDS_A_PAGE = 120.0
_SECONDS_TO_LOAD = 120.0


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
        arguments = [engine, *([str(tessdata)] if tessdata else [])]
        self._pool = ProcessPool(
            "pagemill.local_endpoint.ocr_worker", arguments, workers=workers, stopping="the service is stopping"
        )
        self._size = workers
        self._seconds_a_page = seconds_a_page
        self._loading: list[Future[Reading | None]] = []

    def __enter__(self) -> Self:
        self._pool.start()
        self._loading = [
            self._pool.submit(Message({}), READING, timeout_seconds=_SECONDS_TO_LOAD) for _ in range(self._size)
        ]
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
        request = Message({}, (image,))
        reading = await asyncio.wrap_future(self._pool.submit(request, READING, timeout_seconds=self._seconds_a_page))
        if reading is None:
            raise WorkerLost("the worker gave no answer")
        return reading

    def close(self) -> None:
        """Stop all workers at once; requests under way or waiting end with ServiceStopping. Idempotent."""
        self._pool.close()

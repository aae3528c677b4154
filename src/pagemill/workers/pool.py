"""A pool of worker processes: each has one thread of the parent, and is replaced when it dies."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pagemill.errors import ServiceStopping, WorkerLost
from pagemill.workers.containment import Containment
from pagemill.workers.frames import Message
from pagemill.workers.process import Expected, WorkerProcess

T = TypeVar("T")


class ProcessPool:
    """Hands requests to at most `workers` processes, in the order they come."""

    def __init__(self, module: str, arguments: Sequence[str] = (), *, workers: int, stopping: str) -> None:
        """Configure. A process starts with the first request that finds none free, or with `start`.

        Args:
            module: The main module of a worker.
            arguments: Its arguments.
            workers: How many processes there are at most.
            stopping: What a request is told that comes too late.
        """
        self._module, self._arguments, self._stopping = module, arguments, stopping
        self._size = workers
        # One thread for each worker: a thread that gets a request always finds an idle worker, or may start one.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=module.rpartition(".")[2])
        self._idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        self._working: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self._is_full = False
        self._closing = False
        self._containment: Containment | None = None

    @property
    def containment(self) -> Containment | None:
        """What the workers may not do, as the latest of them says; None: none has been ready yet."""
        return self._containment

    def start(self) -> None:
        """Start all processes now, and from now on a new one for each that dies.

        Raises:
            OSError: The machine has no room for them.
        """
        self._is_full = True
        for _ in range(self._size):
            self._idle.put(self._start_worker())

    def submit(self, request: Message, expected: Expected[T], *, timeout_seconds: float) -> Future[T]:
        """Hand a request to the next free worker. If the future is cancelled before, nothing is asked.

        The future raises what `WorkerProcess.call` raises, and ServiceStopping when the pool is closed.
        """
        return self._threads.submit(self._call, request, expected, timeout_seconds)

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

    def _call(self, request: Message, expected: Expected[T], timeout_seconds: float) -> T:
        worker = self._take()
        try:
            answer = worker.call(request, expected, timeout_seconds=timeout_seconds)
        except WorkerLost as lost:
            self._replace(worker)
            raise (ServiceStopping(self._stopping) if self._closing else lost) from None
        except BaseException:
            self._give_back(worker)
            raise
        self._give_back(worker)
        return answer

    def _take(self) -> WorkerProcess:
        with self._lock:
            if self._closing:
                raise ServiceStopping(self._stopping)
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                try:
                    worker = self._start_worker()
                except OSError as error:
                    raise WorkerLost(f"no process can be started: {error.strerror or error}") from error
            self._working.add(worker)
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        self._containment = worker.containment or self._containment
        with self._lock:
            self._working.discard(worker)
            self._idle.put(worker)

    def _replace(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._working.discard(worker)
            if self._is_full and not self._closing:
                # Without processes or memory to start one, the next request tries again.
                with contextlib.suppress(OSError):
                    self._idle.put(self._start_worker())
        worker.kill()

    def _start_worker(self) -> WorkerProcess:
        return WorkerProcess(self._module, self._arguments)

"""A Python process of our own that answers one request at a time and may die at any moment.

Native code (PDFium, OCR engines) crashes, hangs and runs out of memory; here it does so in a process of its own. The
parent keeps the time: a call that takes too long ends with SIGKILL. A worker never outlives its parent: it watches a
lifeline (its standard input) and exits when the parent's end closes, however the parent ended. The time of a call
starts when the worker is ready: its start, which takes seconds on a busy machine, has a limit of its own.

Workers are started with `python -P -m MODULE`, which imports nothing from the current folder. multiprocessing's spawn
would import the parent's main module again, and with it Prefect whenever a Prefect worker is the parent.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Any

from pagemill.config.environment import worker_environment
from pagemill.errors import WorkerLost, WorkerNeverReady

START_SECONDS = 120.0  # imports, and the models of an OCR engine, on a busy machine
_EXIT_SECONDS = 2.0
_READY = "ready"  # a worker's first message


class WorkerProcess:
    """The parent's end of a worker: one call at a time; `kill` may come from any thread."""

    def __init__(self, module: str, arguments: Sequence[str] = (), *, start_seconds: float = START_SECONDS) -> None:
        """Start `python -P -m module FD *arguments`; its main calls `answer_requests` within `start_seconds`."""
        self._start_seconds = start_seconds
        self._ready = False
        self._killing = threading.Lock()
        self._calling = threading.RLock()  # held by whoever uses the connection: only then may it be closed
        self._connection, childs_end = Pipe(duplex=True)
        with childs_end:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                [sys.executable, "-P", "-m", module, str(childs_end.fileno()), *arguments],
                stdin=subprocess.PIPE,  # the lifeline
                stdout=subprocess.DEVNULL,
                pass_fds=[childs_end.fileno()],
                env=worker_environment(),
                process_group=0,  # Ctrl-C is for the parent, which then stops its workers
            )

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def call(self, request: object, *, timeout_seconds: float) -> Any:
        """Return the worker's answer to `request` (both are pickled); blocks.

        The first call waits until the worker is ready, and counts `timeout_seconds` from then on.

        Raises:
            WorkerNeverReady: The worker died or took too long before it was ready; it cannot be used again.
            WorkerLost: The worker died, or took longer than `timeout_seconds` and was killed; it cannot be used again.
            Exception: The error that the worker's handler raised.
        """
        try:
            with self._calling:
                self._wait_until_ready()
                self._connection.send(request)
                if not self._connection.poll(timeout_seconds):
                    self.kill()
                    raise WorkerLost(f"took longer than {timeout_seconds:g} s and was stopped")
                succeeded, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            kind = WorkerLost if self._ready else WorkerNeverReady
            raise kind(self._why_it_ended()) from error
        if succeeded:
            return answer
        raise answer

    def kill(self) -> None:
        """Stop the worker at once, even in the middle of a request, and reap it. Idempotent.

        A call under way ends first, with WorkerLost: the death of the worker wakes it. To close the connection below it
        might leave it waiting, because the number of the file may be another one's by the time that it wakes.
        """
        with self._killing:  # two threads may: the one that waits for an answer, and the one that closes the pool
            self._process.kill()
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
        with self._calling:
            self._connection.close()

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        if not self._connection.poll(self._start_seconds):
            self.kill()
            raise WorkerNeverReady(f"was not ready {self._start_seconds:g} s after its start and was stopped")
        self._ready = self._connection.recv() == _READY

    def _why_it_ended(self) -> str:
        when = "" if self._ready else " before it was ready"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)  # it closed its end: wait for its own exit status
        self.kill()
        status = self._process.wait()
        if status >= 0:
            return f"the process ended with status {status}{when}"
        with contextlib.suppress(ValueError):
            return f"the process was ended by {signal.Signals(-status).name}{when}"
        return f"the process was ended by signal {-status}{when}"


def answer_requests(handle: Callable[[Any], Any]) -> None:
    """Answer requests with what `handle` returns or raises, until the parent is gone; the worker's side."""
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with Connection(int(sys.argv[1])) as connection:
        with contextlib.suppress(OSError):  # the parent has gone already
            connection.send(_READY)
        while True:
            try:
                request = connection.recv()
            except (EOFError, OSError):
                return
            try:
                answer = (True, handle(request))
            except Exception as error:  # noqa: BLE001 -- it is raised again on the parent's side
                answer = (False, error)
            try:
                connection.send(answer)
            except OSError:  # the parent is gone
                return


def confine(*, address_space_bytes: int, niceness: int = 0) -> None:
    """Limit this process: no core dumps, at most `address_space_bytes` of memory, a priority lower by `niceness`.

    Raises:
        SystemExit: A lower limit is in force.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
    except ValueError as error:
        needed = f"a worker needs {address_space_bytes / 2**30:g} GiB of address space"
        raise SystemExit(f"{needed}, and this process may have less: see `ulimit -v`") from error
    os.nice(niceness)


def _exit_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)

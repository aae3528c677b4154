"""A Python process of our own that answers one request at a time and may die at any moment.

Native code (PDFium, OCR engines) crashes, hangs and eats memory; here it does so in a process of its own. The parent
keeps the clock: a call that takes too long ends with SIGKILL. A worker never outlives its parent: it watches a lifeline
(its standard input) and exits when the parent's end closes, whatever the parent died of. The clock of a call starts
when the worker is ready: its start, which takes seconds on a busy machine, has a limit of its own.

Workers are started with `python -m MODULE`, not with multiprocessing, whose spawn re-imports the parent's main module,
and with it Prefect whenever a Prefect worker is the parent.
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

from pagemill.errors import WorkerLost, WorkerNeverReady

START_SECONDS = 120.0  # imports, and the models of an OCR engine, on a busy machine
_LAST_BREATH_SECONDS = 2.0
_READY = "ready"  # a worker's first message

# A worker is one thread of work: pools of BLAS threads would only fight for its core and reserve address space.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}


class WorkerProcess:
    """The parent's end of a worker: one call at a time; `kill` may come from any thread."""

    def __init__(self, module: str, arguments: Sequence[str] = (), *, start_seconds: float = START_SECONDS) -> None:
        """Start `python -m module FD *arguments`; the module's main calls `answer_requests` within `start_seconds`."""
        self._start_seconds = start_seconds
        self._ready = False
        self._killing = threading.Lock()
        self._connection, childs_end = Pipe(duplex=True)
        with childs_end:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                [sys.executable, "-m", module, str(childs_end.fileno()), *arguments],
                stdin=subprocess.PIPE,  # the lifeline
                stdout=subprocess.DEVNULL,
                pass_fds=[childs_end.fileno()],
                env={**os.environ, **_ONE_THREAD},
                process_group=0,  # Ctrl-C is for the parent, which then stops its workers
            )

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def call(self, request: object, *, timeout_seconds: float) -> Any:
        """Return the worker's answer to `request` (both pickled); blocks.

        The first call waits until the worker is ready, and counts `timeout_seconds` from then on.

        Raises:
            WorkerNeverReady: The worker died or took too long before it was ready; it is gone for good.
            WorkerLost: The worker died, or took longer than `timeout_seconds`; it is gone for good.
            Exception: Whatever the worker's handler raised.
        """
        try:
            self._wait_until_ready()
            self._connection.send(request)
            if not self._connection.poll(timeout_seconds):
                self.kill()
                raise WorkerLost(f"took longer than {timeout_seconds:g} s and was stopped")
            succeeded, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            kind = WorkerLost if self._ready else WorkerNeverReady
            raise kind(self._cause_of_death()) from error
        if succeeded:
            return answer
        raise answer

    def kill(self) -> None:
        """Stop the worker at once, whatever it is doing, and reap it. Idempotent."""
        with self._killing:  # two may want to: who waits for an answer, and who closes the pool
            self._process.kill()
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
            self._connection.close()

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        if not self._connection.poll(self._start_seconds):
            self.kill()
            raise WorkerNeverReady(f"was not ready {self._start_seconds:g} s after its start and was stopped")
        self._ready = self._connection.recv() == _READY

    def _cause_of_death(self) -> str:
        when = "" if self._ready else " before it was ready"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_BREATH_SECONDS)  # it closed its end: let it finish dying of its own cause
        self.kill()
        status = self._process.wait()
        if status >= 0:
            return f"the process ended with status {status}{when}"
        with contextlib.suppress(ValueError):
            return f"the process was ended by {signal.Signals(-status).name}{when}"
        return f"the process was ended by signal {-status}{when}"


def answer_requests(handle: Callable[[Any], Any]) -> None:
    """Run the worker's side: answer each request with what `handle` returns or raises, until the parent is gone."""
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
            except OSError:  # the parent has gone meanwhile
                return


def confine(*, address_space_bytes: int, niceness: int = 0) -> None:
    """Limit this process: no core dumps, `address_space_bytes` at most, priority lower by `niceness`.

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

"""A Python process of our own that answers one request at a time and may die at any moment.

Native code (PDFium, OCR engines) crashes, hangs, runs out of memory, and can be taken over by a hostile document; here
that happens in a process of its own, which has no secret of ours and whose answers are not trusted. The parent keeps
the time: a call that takes too long ends with SIGKILL. A worker never outlives its parent: it watches a lifeline (its
standard input) and exits when the parent's end closes, however the parent ended. The time of a call starts when the
worker is ready: its start, which takes seconds on a busy machine, has a limit of its own.

Workers are started with `python -P -m MODULE`, which imports nothing from the current folder. multiprocessing's spawn
would import the parent's main module again, and with it Prefect whenever a Prefect worker is the parent.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pagemill.config.environment import worker_environment
from pagemill.errors import WorkerLost, WorkerNeverReady
from pagemill.workers import frames
from pagemill.workers.containment import Containment
from pagemill.workers.frames import Bounds, Frame, Kind, Message
from pagemill.workers.parsing import parse_containment, parse_error, what_is_wrong

START_SECONDS = 120.0  # imports, and the models of an OCR engine, on a busy machine
_EXIT_SECONDS = 2.0
_SMALL = Bounds(head_bytes=2**18)  # for a worker's first frame and its errors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expected(Generic[T]):
    """The answer that a request may get."""

    bounds: Bounds
    parse: Callable[[bytes, Sequence[bytes]], T]  # head and attachments; raises ValueError for any but a right answer


class WorkerProcess:
    """The parent's end of a worker: one call at a time; `kill` may come from any thread."""

    def __init__(self, module: str, arguments: Sequence[str] = (), *, start_seconds: float = START_SECONDS) -> None:
        """Start `python -P -m module FD *arguments`; its main calls `answer_requests` within `start_seconds`."""
        self._start_seconds = start_seconds
        self._containment: Containment | None = None
        self._calling, self._killing = threading.RLock(), threading.Lock()  # in this order
        self._connection, childs_end = socket.socketpair()
        with contextlib.ExitStack() as unless_started, childs_end:
            unless_started.callback(self._connection.close)
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                [sys.executable, "-P", "-m", module, str(childs_end.fileno()), *arguments],
                stdin=subprocess.PIPE,  # the lifeline
                stdout=subprocess.DEVNULL,
                pass_fds=[childs_end.fileno()],
                env=worker_environment(),
                process_group=0,  # Ctrl-C is for the parent, which then stops its workers
            )
            unless_started.pop_all()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    @property
    def containment(self) -> Containment | None:
        """What the worker may not do, as it says itself before it has read anything; None: it is not ready yet."""
        return self._containment

    def call(self, request: Message, expected: Expected[T], *, timeout_seconds: float) -> T:
        """Return the worker's answer to `request`; blocks.

        The first call waits until the worker is ready, and counts `timeout_seconds` from then on.

        Raises:
            WorkerNeverReady: The worker died or took too long before it was ready; it cannot be used again.
            WorkerLost: The worker died, took longer than `timeout_seconds` or sent no such answer, and was killed; it
                cannot be used again.
            DocumentUnreadable, PageUnreadable, RequestRejected, MemoryError: The worker's handler raised this.
            WorkerFault: The worker's handler raised something else.
        """
        with self._calling:
            try:
                self._wait_until_ready()
                answer = self._ask(request, expected.bounds, timeout_seconds)
            except (EOFError, OSError) as error:
                kind = WorkerLost if self._containment else WorkerNeverReady
                raise kind(self._why_it_ended()) from error
            with self._stopped_if_wrong():
                if answer.kind is Kind.ERROR:
                    raised = parse_error(answer.head)
                elif answer.kind is Kind.ANSWER:
                    return expected.parse(answer.head, answer.attachments)
                else:
                    raise frames.Malformed(f"a frame of kind {answer.kind.name} instead of an answer")
            raise raised

    def kill(self) -> None:
        """Stop the worker at once, even in the middle of a request, and reap it. Idempotent."""
        with self._killing:
            self._process.kill()
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
            with contextlib.suppress(OSError):  # closed already
                self._connection.shutdown(socket.SHUT_RDWR)
        # A call in another thread ends now. Only then may the descriptor get another meaning.
        with self._calling, self._killing:
            self._connection.close()

    def _ask(self, request: Message, bounds: Bounds, timeout_seconds: float) -> Frame:
        until = time.monotonic() + timeout_seconds
        larger = Bounds(max(bounds.head_bytes, _SMALL.head_bytes), bounds.attachments, bounds.attachment_bytes)
        sent = Frame(Kind.REQUEST, frames.head(request.values), request.attachments, request.files)
        try:
            frames.send(self._connection, sent, until=until)
            with self._stopped_if_wrong():
                return frames.receive(self._connection, larger, until=until)
        except TimeoutError:
            self.kill()
            raise WorkerLost(f"took longer than {timeout_seconds:g} s and was stopped") from None

    def _wait_until_ready(self) -> None:
        if self._containment:
            return
        try:
            with self._stopped_if_wrong():
                ready = frames.receive(self._connection, _SMALL, until=time.monotonic() + self._start_seconds)
                self._containment = parse_containment(ready.head)
        except TimeoutError:
            self.kill()
            raise WorkerNeverReady(f"was not ready {self._start_seconds:g} s after its start and was stopped") from None

    @contextlib.contextmanager
    def _stopped_if_wrong(self) -> Iterator[None]:
        """Stop a worker that sends what no worker of ours sends."""
        try:
            yield
        except ValueError as error:
            self.kill()
            raise WorkerLost(f"sent something that is no answer, and was stopped: {what_is_wrong(error)}") from error

    def _why_it_ended(self) -> str:
        when = "" if self._containment else " before it was ready"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)  # it closed its end: wait for its own exit status
        self.kill()
        status = self._process.wait()
        if status >= 0:
            return f"the process ended with status {status}{when}"
        with contextlib.suppress(ValueError):
            return f"the process was ended by {signal.Signals(-status).name}{when}"
        return f"the process was ended by signal {-status}{when}"

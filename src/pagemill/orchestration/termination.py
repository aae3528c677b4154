"""SIGTERM in a flow that a Prefect worker runs: Prefect gets its own exception back, wherever it was raised.

Prefect's handler raises `TerminationSignal` from whatever code runs at that moment; it must stay installed, or Prefect
takes a run that somebody cancels for one that crashed. In a coroutine that another one waits for, the exception ends
as a part of a `BaseExceptionGroup`, which Prefect takes for a crash, too. In a callback of the event loop or in a task
that nobody waits for, it is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Iterator

from prefect.exceptions import TerminationSignal

_GRACE_SECONDS = 5.0  # Prefect's runner kills the process after 30


@contextlib.asynccontextmanager
async def terminated_by_sigterm(grace_seconds: float = _GRACE_SECONDS) -> AsyncIterator[None]:
    """Let SIGTERM end what is in the context, and raise what Prefect expects once it has ended.

    Args:
        grace_seconds: How long Prefect's exception may take to end the context. Then it is taken for lost, and the
            present task is cancelled.

    Raises:
        TerminationSignal: SIGTERM came.
    """
    if threading.current_thread() is not threading.main_thread():  # the command line answers signals there
        yield
        return
    with _cancelled_after(grace_seconds) as came:
        try:
            yield
        except asyncio.CancelledError:
            if not came.is_set():  # somebody else cancels the flow
                raise
            raise TerminationSignal(signal.SIGTERM) from None
        except BaseExceptionGroup as group:
            if not group.subgroup(TerminationSignal):
                raise
            raise TerminationSignal(signal.SIGTERM) from None


@contextlib.contextmanager
def _cancelled_after(seconds: float) -> Iterator[asyncio.Event]:
    """Cancel the present task some time after SIGTERM. The event is set when that time is over."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task  # noqa: S101 -- for mypy: this is a coroutine
    over = asyncio.Event()
    timers: list[asyncio.TimerHandle] = []

    def end() -> None:
        over.set()
        task.cancel()

    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, lambda: timers.append(loop.call_later(seconds, end)))
    signal.signal(signal.SIGTERM, before)  # both are called: this one at once, the one above by the event loop
    try:
        yield over
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
        for timer in timers:
            timer.cancel()
        while over.is_set() and task.uncancel():  # one for each signal
            pass

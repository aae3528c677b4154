"""Ctrl-C, SIGTERM and SIGHUP: the first one ends a command in order, the second one ends it at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, TypeVar

from pagemill.cli.support import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TEAR_DOWN_SECONDS = 2.0
_STOPPING = b"\npagemill: stopping in order; the same signal again ends at once\n"
_AT_ONCE = b"\npagemill: interrupted, ended at once\n"
_SHOW_CURSOR = b"\x1b[?25h"  # the progress bar hides it

T = TypeVar("T")


def run_until_interrupted(
    main: Coroutine[Any, Any, T],
    *,
    stop: Callable[[asyncio.Task[T]], object] = asyncio.Task.cancel,
    clean_up_seconds: float | None = 10.0,
) -> T:
    """Run a coroutine to its end, on an event loop in a thread of its own, and return its result.

    The main thread waits for signals. So they are answered while the event loop is blocked, and Prefect, which replaces
    the handler of SIGTERM when a flow starts, does not: it does so in the main thread only.

    Args:
        main: What to run.
        stop: Ends it after the first signal; is called on the event loop with the task of `main`.
        clean_up_seconds: How long `main` may take to end after the first signal; None: as long as it likes.

    Raises:
        KeyboardInterrupt: A signal has cancelled it.
    """
    if threading.current_thread() is not threading.main_thread():  # Python gives signals to the main thread only
        return asyncio.run(main)
    command = _Command(main, stop, clean_up_seconds)
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    caught = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]  # as `nohup` and shells ask for
    for number in caught:
        signal.signal(number, command.on_signal)
    try:
        return command.result()
    finally:
        for number in caught:
            signal.signal(number, before[number])


class _Command(Generic[T]):
    def __init__(
        self,
        main: Coroutine[Any, Any, T],
        stop: Callable[[asyncio.Task[T]], object],
        clean_up_seconds: float | None,
    ) -> None:
        self._main = main
        self._stop = stop
        self._clean_up_seconds = clean_up_seconds
        self._outcome: Future[T] = Future()
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = Future()
        self._signalled = False
        self._deadline: threading.Timer | None = None

    def result(self) -> T:
        """What comes of it. What it has left to be torn down may take a moment more; then it is left behind."""
        thread = threading.Thread(target=copy_context().run, args=(self._work,), name="event loop", daemon=True)
        thread.start()
        try:
            self._wait()
            return self._outcome.result()
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            if self._deadline:
                self._deadline.cancel()
            thread.join(_TEAR_DOWN_SECONDS)

    def _wait(self) -> None:
        """Wait for the outcome, and execute handlers of signals meanwhile.

        Each signal is a byte on a socket. One that comes in the moment before the main thread begins to wait would not
        wake it from waiting for a lock.
        """
        waiting, waking = socket.socketpair()
        with waiting, waking:
            waking.setblocking(False)
            before = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
            try:
                self._outcome.add_done_callback(partial(_wake, waking))
                while not self._outcome.done():
                    waiting.recv(4096)
            finally:
                signal.set_wakeup_fd(before)

    def on_signal(self, *_: object) -> None:
        """Answer a signal; in the main thread."""
        if self._signalled:
            end_at_once()
        self._signalled = True
        os.write(2, _STOPPING)
        loop, task = self._started.result()
        loop.call_soon_threadsafe(self._stop, task)
        if self._clean_up_seconds is not None:
            self._deadline = threading.Timer(self._clean_up_seconds, end_at_once)
            self._deadline.daemon = True
            self._deadline.start()

    def _work(self) -> None:
        try:
            asyncio.run(self._supervised())
        except BaseException as error:  # noqa: BLE001 -- the main thread waits: there is no event loop, or it ended
            for future in (self._started, self._outcome):
                if not future.done():
                    future.set_exception(error)

    async def _supervised(self) -> None:
        task = asyncio.create_task(self._main)
        self._started.set_result((asyncio.get_running_loop(), task))
        await asyncio.wait([task])
        try:
            self._outcome.set_result(task.result())
        except BaseException as error:  # noqa: BLE001 -- it is raised again in the main thread
            self._outcome.set_exception(error)


def _wake(waking: socket.socket, _: object) -> None:
    with contextlib.suppress(OSError):  # nobody waits any more
        waking.send(b"\0")


def end_at_once() -> None:
    """End the process as an interrupted one, whatever it is doing."""
    os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + _AT_ONCE)
    os._exit(ExitCode.INTERRUPTED)

"""The first signal ends a command in order, the second one at once; both while the event loop is blocked, too."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pagemill.cli.interrupts import run_until_interrupted

_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def all_signals_work() -> Iterator[None]:
    """A shell starts its background jobs without SIGINT, and `nohup` without SIGHUP."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _signal_us(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", _SIGNALS)
def test_the_first_signal_cancels_and_what_is_open_is_closed(number: signal.Signals) -> None:
    closed: list[str] = []

    async def main() -> None:
        _signal_us(number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            closed.append("slots")

    with pytest.raises(KeyboardInterrupt):
        run_until_interrupted(main())

    assert closed == ["slots"]


def test_a_command_that_chooses_how_it_stops_returns_its_result() -> None:
    stopped = asyncio.Event()

    async def main() -> str:
        _signal_us(signal.SIGTERM)
        await stopped.wait()
        return "summary"

    assert run_until_interrupted(main(), stop=lambda _: stopped.set()) == "summary"


def test_an_error_of_the_command_is_its_own() -> None:
    async def main() -> None:
        raise ZeroDivisionError("of the command")

    with pytest.raises(ZeroDivisionError, match="of the command"):
        run_until_interrupted(main())


@pytest.mark.parametrize("number", _SIGNALS)
def test_the_handlers_of_before_are_there_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    async def main() -> bool:
        return signal.getsignal(number) != before

    assert run_until_interrupted(main())
    assert signal.getsignal(number) == before


def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    async def main() -> str:
        _signal_us(signal.SIGHUP)
        return "as with nohup"

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_until_interrupted(main()) == "as with nohup"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_command_in_a_thread_of_a_program_runs_without_handlers() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def main() -> bool:
        return signal.getsignal(signal.SIGTERM) == before

    with ThreadPoolExecutor(1) as program:
        assert program.submit(lambda: run_until_interrupted(main())).result()


def test_the_event_loop_has_a_thread_in_which_nobody_replaces_handlers_of_signals() -> None:
    async def main() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert not run_until_interrupted(main())


# Commands that do not end by themselves: a download in a thread, a loop that is blocked, a clean-up that hangs.
_BLOCKED = {
    "a thread": "await asyncio.to_thread(blocked.wait)",
    "the event loop": "blocked.wait()",
    "the clean-up": """
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.to_thread(blocked.wait)""",
}
_PROGRAM = """
import asyncio, sys, threading
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.cli.leaving import do_not_wait, leave

blocked = threading.Event()

async def main():
    print("ready", flush=True)
    BLOCKED

try:
    run_until_interrupted(main(), clean_up_seconds=SECONDS)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    do_not_wait()
    leave(130)
"""


def _started(blocked: str, seconds: str) -> subprocess.Popen[str]:
    program = _PROGRAM.replace("BLOCKED", _BLOCKED[blocked]).replace("SECONDS", seconds)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("blocked", _BLOCKED)
def test_the_second_signal_ends_at_once_what_the_first_one_cannot(blocked: str) -> None:
    with _started(blocked, "None") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        while "stopping in order" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=60) == 130
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("blocked", _BLOCKED)
def test_one_signal_is_enough_because_the_clean_up_has_a_limit(blocked: str) -> None:
    with _started(blocked, "0.2") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=60) == 130
        assert "Traceback" not in process.stderr.read()

"""SIGTERM while a flow works in several coroutines at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator

import pytest
from prefect.exceptions import TerminationSignal
from prefect.utilities.engine import capture_sigterm, is_prefect_sigterm_handler_installed

from pagemill.orchestration.termination import terminated_by_sigterm


@pytest.fixture(autouse=True)
def _default_of_the_process() -> Iterator[None]:
    """Prefect hands a termination on to the handler of before, which ends the process otherwise."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


async def _sends(times: int = 1) -> None:
    await asyncio.sleep(0)
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


async def _in_a_group(ended: list[str]) -> None:
    """Wait in a task group, as the pages of a chunk do; one of its tasks runs while the signal comes."""

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up may wait
            ended.append("page")

    async with asyncio.TaskGroup() as group:
        group.create_task(waits())
        group.create_task(_sends())


async def _in_a_task_that_nobody_waits_for(ended: list[str]) -> None:
    task = asyncio.create_task(_sends(times=2))
    try:
        await asyncio.Event().wait()
    finally:
        assert isinstance(task.exception(), TerminationSignal)
        ended.append("page")


async def _in_the_flow_itself(ended: list[str]) -> None:
    try:
        await _sends()
    finally:
        await asyncio.sleep(0)
        ended.append("page")


@pytest.mark.parametrize("work", [_in_a_group, _in_a_task_that_nobody_waits_for, _in_the_flow_itself])
def test_sigterm_reaches_prefect_as_its_own_exception_wherever_it_is_raised(
    work: Callable[[list[str]], Awaitable[None]],
) -> None:
    async def _flow() -> None:
        async with terminated_by_sigterm(grace_seconds=0.1):
            await work(ended)

    ended: list[str] = []
    with pytest.raises(TerminationSignal), capture_sigterm():
        asyncio.run(_flow())
    assert ended == ["page"]


def test_prefects_handler_stays_installed_as_its_control_channel_asks_for() -> None:
    async def _flow() -> bool:
        async with terminated_by_sigterm():
            return is_prefect_sigterm_handler_installed()

    with capture_sigterm():
        assert asyncio.run(_flow())
        assert is_prefect_sigterm_handler_installed()


def test_a_task_that_is_cancelled_by_its_owner_stays_cancelled() -> None:
    async def _flow() -> None:
        async with terminated_by_sigterm():
            task = asyncio.current_task()
            assert task
            task.cancel()
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_flow())


def test_other_groups_of_errors_pass_unchanged() -> None:
    async def _fails() -> None:
        raise ValueError

    async def _flow() -> None:
        async with terminated_by_sigterm(), asyncio.TaskGroup() as group:
            group.create_task(_fails())

    with pytest.raises(ExceptionGroup):
        asyncio.run(_flow())


def test_beside_the_main_thread_signals_are_left_to_the_command_line() -> None:
    async def _flow() -> object:
        async with terminated_by_sigterm():
            return signal.getsignal(signal.SIGTERM)

    async def _in_a_thread() -> object:
        return await asyncio.to_thread(asyncio.run, _flow())

    assert asyncio.run(_in_a_thread()) is signal.getsignal(signal.SIGTERM)

"""A batch that begins to read before those are ready who perform its chunks, such as an orchestrator that starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from pagemill.batch.chunks import PageChunk
from pagemill.batch.run import Batch
from pagemill.domain.pages.summary import RunSummary


class ReadsChunks(Protocol):
    """Reads chunks, or waits for somebody who does."""

    async def read(self, chunk: PageChunk) -> None:
        """Return when the pages of the chunk are read."""


PerformWith = Callable[[ReadsChunks, PageChunk], Coroutine[Any, Any, object]]


@dataclass(slots=True)
class _BegunChunk:
    """A chunk whose reading has begun, or is over; who performs it waits for it."""

    reading: asyncio.Task[None]

    async def read(self, _: PageChunk) -> None:
        await asyncio.wait([self.reading])
        self.reading.result()


class HeadStart:
    """Runs a batch while its context lasts. Who joins it performs all chunks, also those that have begun before.

    So an orchestrator lists all chunks, and its start costs no time.
    """

    def __init__(self, batch: Batch, run_id: str) -> None:
        """Configure; the batch begins with the context."""
        self.batch = batch
        self._run_id = run_id
        self._begun: list[tuple[PageChunk, _BegunChunk]] = []
        self._orchestrator: tuple[PerformWith, Context] | None = None  # who performs chunks, and in which context
        self._running: asyncio.Task[RunSummary] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.batch.run(self._run_id, self._perform))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def _task(self) -> asyncio.Task[RunSummary]:
        assert self._running  # noqa: S101 -- for mypy: the context has been entered
        return self._running

    async def until(self, ready: asyncio.Task[Any]) -> RunSummary | None:
        """Wait for an orchestrator, unless the run stops before.

        Args:
            ready: Ends when the orchestrator is ready.

        Returns:
            The summary of a run that has stopped early: nothing is left to be performed. Else None.
        """
        await asyncio.wait([ready, self._task], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done() and (summary := self._task.result()).stopped_by:
            return summary
        await ready
        return None

    async def alone(self) -> RunSummary:
        """Return the summary of the run, which no orchestrator joins."""
        return await self._task

    async def joined(self, perform: PerformWith) -> RunSummary:
        """Have all chunks performed, those that have begun as well; return the summary of the run.

        Args:
            perform: Performs a chunk: calls `read` of its first argument. It is called in the present context.
        """
        self._orchestrator = (perform, copy_context())
        belated = [asyncio.create_task(perform(begun, chunk)) for chunk, begun in self._begun]
        try:
            return await self._task
        except BaseException:
            for performing in belated:
                performing.cancel()
            raise
        finally:
            await asyncio.gather(*belated, return_exceptions=True)  # what reading has raised, the run knows

    async def _perform(self, chunk: PageChunk) -> None:
        if self._orchestrator:
            perform, context = self._orchestrator
            await asyncio.create_task(self._performed(perform, chunk), context=context)
            return
        begun = _BegunChunk(asyncio.create_task(self.batch.read(chunk)))
        self._begun.append((chunk, begun))
        await begun.reading

    async def _performed(self, perform: PerformWith, chunk: PageChunk) -> None:
        await perform(self.batch, chunk)  # called in the context of the task, as orchestrators need it

"""What the command line knows of a run that it has started, whatever becomes of the Prefect server meanwhile.

And how it interrupts a run or a deployment, so that the flow itself returns its final state.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

from pagemill.batch.head_start import HeadStart
from pagemill.batch.progress import Progress
from pagemill.domain.pages.summary import RunSummary


@dataclass(eq=False)
class Interruption:
    """Interrupts one flow. All methods are for the event loop of the flow."""

    interrupted: bool = False
    _working: asyncio.Task[object] | None = None

    def interrupt(self) -> None:
        """Cancel what the flow does, if it can be cancelled now, or as soon as it can."""
        self.interrupted = True
        if self._working:
            self._working.cancel()

    @contextlib.asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """Let `interrupt` end what is in the context, and go on after it."""
        task = asyncio.current_task()
        assert task  # noqa: S101 -- for mypy: this is a coroutine
        self._working = task
        if self.interrupted:  # before the work began
            task.cancel()
        try:
            yield
        except asyncio.CancelledError:
            if not self.interrupted or task.uncancel():  # somebody else cancels the flow, or does so as well
                raise
        finally:
            self._working = None


@dataclass(eq=False)
class RunWatch(Interruption):
    """Follows one run, and interrupts it: pages in flight are given up, and finished pages are kept."""

    progress: Progress = field(default_factory=Progress)
    summary: RunSummary | None = None  # once its pages are read
    head_start: HeadStart | None = None  # if the batch began before the flow
    read: asyncio.Event = field(default_factory=asyncio.Event)  # whether there is a summary

    def conclude(self, summary: RunSummary) -> None:
        """Keep the summary: Prefect hands a result on only while its server answers."""
        self.summary = summary
        self.read.set()


_watch: ContextVar[RunWatch | None] = ContextVar("watch", default=None)


@contextlib.contextmanager
def watching(watch: RunWatch) -> Iterator[RunWatch]:
    """Let `watch` follow the run that starts in this context."""
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def watched() -> RunWatch:
    """What follows the present run; nobody asks the one that a run on a Prefect worker gets."""
    return _watch.get() or RunWatch()

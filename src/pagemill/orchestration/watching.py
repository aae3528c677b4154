"""What the command line knows of a run that it has started, whatever becomes of the Prefect server meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

from pagemill.batch.progress import Progress
from pagemill.domain.pages.summary import RunSummary


@dataclass(eq=False)
class RunWatch:
    """Follows one run, and interrupts it. All methods are for the event loop of the run."""

    progress: Progress = field(default_factory=Progress)
    summary: RunSummary | None = None  # once its pages are read
    interrupted: bool = False
    read: asyncio.Event = field(default_factory=asyncio.Event)  # whether there is a summary
    _reading: asyncio.Task[object] | None = None

    def interrupt(self) -> None:
        """End the run: no further page is begun, and those in flight are given up. Finished pages are kept."""
        self.interrupted = True
        if self._reading:
            self._reading.cancel()

    def conclude(self, summary: RunSummary) -> None:
        """Keep the summary: Prefect hands a result on only while its server answers."""
        self.summary = summary
        self.read.set()

    @contextlib.asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """Let `interrupt` end what is in the context, and go on after it."""
        task = asyncio.current_task()
        assert task  # noqa: S101 -- for mypy: this is a coroutine
        self._reading = task
        if self.interrupted:  # before the run began
            task.cancel()
        try:
            yield
        except asyncio.CancelledError:
            if not self.interrupted or task.uncancel():  # somebody else cancels the run, or does so as well
                raise
        finally:
            self._reading = None


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

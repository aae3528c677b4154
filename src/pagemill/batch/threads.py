"""Threads for calls that block. Each kind of call has its own, so that none waits for another kind."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class CallThreads:
    """Threads for one kind of call. They start when they are needed, and keep the caller's context variables."""

    def __init__(self, kind: str, most: int) -> None:
        """Configure; no thread starts yet.

        Args:
            kind: Names the threads.
            most: Calls at once; further ones wait, in the order they come.
        """
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=kind)

    def begin(
        self, function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> asyncio.Future[_Result]:
        """Begin a call; it goes on even if nobody waits for its result."""
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def __call__(
        self, function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result:
        """Call a function that blocks."""
        return await self.begin(function, *args, **kwargs)

    def leave(self, function: Callable[[], object]) -> None:
        """Begin a call for whose end nobody waits, and which may outlast the event loop."""
        self._executor.submit(function)

    def close(self) -> None:
        """Begin no further call, and wait for none."""
        self._executor.shutdown(wait=False)


class BlockingCalls:
    """The threads of a run. A page keeps its place at the endpoint until it is saved: no save waits for a download.

    asyncio's own pool has as many threads as the machine has cores, plus four, for everything: too few for calls that
    take a bucket's tens of milliseconds each, and for many that take a second.
    """

    def __init__(self, *, pages: int, documents: int) -> None:
        """Configure; no thread starts yet.

        Args:
            pages: Pages that are read at once.
            documents: Documents that are open at once.
        """
        self.saves = CallThreads("save", pages)  # checkpoints of pages
        self.checks = CallThreads("check", pages)  # whether a local file is still the one that was listed
        self.downloads = CallThreads("download", documents)  # local copies, and their deletion
        self.lookups = CallThreads("lookup", documents + 1)  # what earlier runs have written; and the listing
        self.publications = CallThreads("publish", documents)  # texts and manifests

    def close(self) -> None:
        """Begin no further call, and wait for none."""
        for threads in (self.saves, self.checks, self.downloads, self.lookups, self.publications):
            threads.close()

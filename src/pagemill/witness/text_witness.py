"""The witness as a run knows it: it answers within a time, or says that it does not know."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

from pagemill.errors import PagemillError, WorkerLost
from pagemill.witness import presence
from pagemill.witness.answers import REGIONS, TURNED
from pagemill.workers.frames import Message
from pagemill.workers.pool import ProcessPool
from pagemill.workers.process import Expected

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 60.0  # a look takes 0.1 to 1 s; the first one, which loads a model, 20 s on a busy machine
_WAIT_SECONDS = 120.0  # a look, and those before it in the queue: a page waits meanwhile, the endpoint does not
_MOST_LOSSES = 3  # in a row: then the cause is no image


class TextWitness:
    """Looks at images in at most `workers` processes, which start when it is first asked.

    Whatever becomes of a process or an image costs the answer, nothing else.
    """

    def __init__(
        self,
        *,
        workers: int,
        look_seconds: float = _LOOK_SECONDS,
        wait_seconds: float = _WAIT_SECONDS,
        worker_module: str = "pagemill.witness.worker",
    ) -> None:
        """Configure.

        Args:
            workers: Processes, one core each.
            look_seconds: Longest time a look may take before its worker is stopped.
            wait_seconds: Longest time until an answer, with the time in the queue.
            worker_module: The module that a worker runs as its main.
        """
        self.name = presence.name()
        self._pool = ProcessPool(worker_module, workers=workers, stopping="the run is ending")
        self._look_seconds, self._wait_seconds = look_seconds, wait_seconds
        self._losses = 0
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        await asyncio.to_thread(self._pool.close)

    async def regions(self, png: bytes) -> int | None:
        """Count what may be text on an image; None: it does not know."""
        return await self._ask("regions", REGIONS, png)

    async def turned(self, png: bytes) -> int | None:
        """By how many degrees clockwise an image must be turned to be upright; None: it does not know for sure."""
        return await self._ask("turned", TURNED, png)

    async def _ask(self, asked: str, expected: Expected[int | None], png: bytes) -> int | None:
        if self._is_closed or self._losses >= _MOST_LOSSES:
            return None
        request = Message({"asked": asked}, (png,))
        try:
            async with asyncio.timeout(self._wait_seconds):
                looked = self._pool.submit(request, expected, timeout_seconds=self._look_seconds)
                found = await asyncio.wrap_future(looked)
        except TimeoutError:
            return None  # too many pages ask
        except WorkerLost as lost:
            self._count_loss(lost)
            return None
        except (PagemillError, MemoryError):
            return None  # it cannot look at this image
        self._losses = 0
        return found

    def _count_loss(self, lost: WorkerLost) -> None:
        self._losses += 1
        if self._losses == _MOST_LOSSES and not self._is_closed:
            _log.warning("the witness is not asked any more: its process was lost %d times: %s", _MOST_LOSSES, lost)

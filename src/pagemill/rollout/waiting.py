"""Waiting for a platform: for how long, how often it is asked, and what is said meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_GROWTH = 1.5
_SECONDS_BETWEEN_LINES = 30.0


class Waiting:
    """A time limit that begins now, with pauses that grow and a line of progress every half minute."""

    def __init__(
        self,
        seconds: float,
        what: str,
        announce: Callable[[str], object],
        *,
        longest_pause: float = _LONGEST_PAUSE_SECONDS,
    ) -> None:
        """Start the time.

        Args:
            seconds: How long to wait.
            what: What for, as a line to print.
            announce: Called with a line of progress.
            longest_pause: In seconds.
        """
        self.seconds = seconds
        self.what = what
        self._announce = announce
        self._longest_pause = longest_pause
        self._started = time.monotonic()
        self._next_line = self._started
        self._pause = _FIRST_PAUSE_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether the time has passed."""
        return self._passed >= self.seconds

    def tell(self) -> None:
        """Print a line of progress: the first time, and every half minute."""
        if time.monotonic() >= self._next_line:
            self._next_line += _SECONDS_BETWEEN_LINES
            self._announce(f"{self.what}: {self._passed:.0f} s of {self.seconds:.0f}")

    async def pause(self) -> None:
        """Print progress, and sleep until it is worth asking again."""
        self.tell()
        await asyncio.sleep(min(self._pause, max(self.seconds - self._passed, 0.0)))
        self._pause = min(self._pause * _GROWTH, self._longest_pause)

    @property
    def _passed(self) -> float:
        return time.monotonic() - self._started

"""Admission to the endpoint, for one run by itself."""

from __future__ import annotations

import asyncio


class RunSlots:
    """At most `max_in_flight` pages of this run at the endpoint, first come, first served."""

    def __init__(self, max_in_flight: int) -> None:
        self._slots = asyncio.Semaphore(max_in_flight)

    def slot(self) -> asyncio.Semaphore:
        """Hold one slot for as long as the context lasts."""
        return self._slots

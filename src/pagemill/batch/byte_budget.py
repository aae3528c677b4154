"""How many bytes of images are in memory at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class ByteBudget:
    """Bounds the bytes of the images in memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def room(self) -> None:
        """Wait until there is room for another image."""
        await self._has_room.wait()

    @contextlib.contextmanager
    def holding(self, size_bytes: int) -> Iterator[None]:
        """Count an image as long as the context lasts; it may exceed the limit."""
        self._hold(size_bytes)
        try:
            yield
        finally:
            self._hold(-size_bytes)

    def _hold(self, size_bytes: int) -> None:
        self._held += size_bytes
        if self._held < self._limit:
            self._has_room.set()
        else:
            self._has_room.clear()

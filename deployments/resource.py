"""What is registered on a Prefect server: each thing knows whether it is as it should be, and how to make it so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """Something on the server."""

    what: str
    differs: str  # how it is otherwise than it should be; empty: it is as it should be
    mend: Callable[[], Awaitable[object]]  # makes it as it should be

    async def ensured(self) -> str:
        """Make it as it should be; return a line that says what was done."""
        if not self.differs:
            return f"{self.what}: as it should be"
        await self.mend()
        return f"{self.what}: set ({self.differs})"

    def checked(self) -> str:
        """A line that says how it is."""
        return f"{self.what}: {self.differs or 'as it should be'}"

"""What is registered on a Prefect server: each resource knows how it differs from what is wanted, and can fix it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_NO_DIFFERENCE = "up to date"


@dataclass(frozen=True, slots=True)
class Resource:
    """One object on the server."""

    name: str  # with its kind: "work pool 'cloud-run'"
    difference: str  # from what is wanted, in words; empty: there is none
    fix: Callable[[], Awaitable[object]]  # creates or updates it

    async def apply(self) -> str:
        """Create or update it where it differs; return a line that says what was done."""
        if not self.difference:
            return self.line()
        await self.fix()
        return f"{self.name}: set ({self.difference})"

    def line(self) -> str:
        """The resource and how it differs, without a change."""
        return f"{self.name}: {self.difference or _NO_DIFFERENCE}"

"""What the watcher asks of the outside world. Adapters implement these; tests bring their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pagemill.domain.uploads.notifications import Message


class Subscription(Protocol):
    """Where messages come from. What is neither acknowledged nor extended comes again."""

    name: str

    async def pull(self, most: int) -> Sequence[Message]:
        """Wait for messages, a minute or so; return those that there are, perhaps none.

        Raises:
            UsageError: There is no such subscription, or we may not use it.
            StoreUnusable: The service has not answered for half an hour.
        """

    async def extend(self, ack_ids: Sequence[str], seconds: int) -> None:
        """Keep messages from being delivered again, from now on for so long.

        Raises:
            Transient: The service did not take that, at least for some.
        """

    async def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Let the messages never come again.

        Raises:
            Transient: The service did not take that, at least for some: they come again.
        """

    async def release(self, ack_ids: Sequence[str]) -> None:
        """Let the messages come again at once. It counts as a delivery that failed.

        Raises:
            Transient: The service did not take that: they come again later.
        """


class RunStarter(Protocol):
    """Starts runs that others execute."""

    async def start(self, source: str, key: str) -> str:
        """Start a run over a source, unless one was started with this key before; return the run's name.

        Raises:
            UsageError: Runs cannot be started.
        """

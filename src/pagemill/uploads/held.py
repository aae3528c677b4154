"""Messages that were pulled and are not acknowledged: they are kept from being delivered again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pagemill.domain.uploads.notifications import Message
from pagemill.domain.wording import counted
from pagemill.errors import Transient
from pagemill.uploads.ports import Subscription

_RELEASE_SECONDS = 3.0  # what is not released by then is delivered again when its deadline is over


@dataclass(frozen=True, slots=True)
class HoldTimes:
    """In seconds."""

    deadline: int = 60  # a killed watcher's messages are delivered again after it
    renewal: float = 20.0


class HeldMessages:
    """The messages of one watcher. While the context lasts, their deadlines are extended; then they are released."""

    def __init__(self, subscription: Subscription, announce: Callable[[str], None], times: HoldTimes) -> None:
        """Configure; nothing is pulled yet."""
        self._subscription = subscription
        self._announce = announce
        self._times = times
        self._held: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._renewing = asyncio.create_task(self._keep_renewing())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewing:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        if self._held:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self.release(list(self._held))

    async def pull(self, most: int) -> Sequence[Message]:
        """Wait for messages and hold them.

        Raises:
            UsageError: There is no such subscription, or we may not use it.
            StoreUnusable: The service has not answered for half an hour.
        """
        messages = await self._subscription.pull(most)
        if messages:
            pulled = [message.ack_id for message in messages]
            self._held.update(pulled)
            await self._extend(pulled)  # at once: the subscription's own deadline may be ten seconds
        return messages

    async def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Acknowledge messages. Those of which the service does not know it come again, and are recognized."""
        if not ack_ids:
            return
        try:
            await self._subscription.acknowledge(ack_ids)
        except Transient as error:
            self._announce(f"{counted(len(ack_ids), 'message')} not acknowledged, to be delivered again: {error}")
        self._held.difference_update(ack_ids)

    async def release(self, ack_ids: Sequence[str]) -> None:
        """Let messages be delivered again at once."""
        if not ack_ids:
            return
        self._held.difference_update(ack_ids)
        try:
            await self._subscription.release(ack_ids)
        except Transient as error:
            self._announce(f"{counted(len(ack_ids), 'message')} not released, to be delivered again later: {error}")

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._times.renewal)
            if self._held:
                await self._extend(list(self._held))

    async def _extend(self, ack_ids: Sequence[str]) -> None:
        try:
            await self._subscription.extend(ack_ids, self._times.deadline)
        except Transient as error:  # the next renewal may succeed; else they come again, and are recognized
            self._announce(f"the deadlines of {counted(len(ack_ids), 'message')} were not extended: {error}")

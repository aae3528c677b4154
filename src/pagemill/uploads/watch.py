"""The watcher's loop: pull, gather, write one list, start one run, acknowledge.

Each step may be the last one before a kill. A message is acknowledged only when the run that reads its object exists.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pagemill.domain.uploads.gathering import Gathering
from pagemill.domain.uploads.notifications import Message, PassedOver, Upload, Why, read_notification
from pagemill.domain.wording import counted
from pagemill.uploads.held import HeldMessages, HoldTimes
from pagemill.uploads.journal import Journal
from pagemill.uploads.ports import RunStarter, Subscription

_MOST_PULLED = 1000  # the service takes no larger number
_NAMED = 3  # of the objects that are passed over, in one line


@dataclass(frozen=True, slots=True)
class BatchSize:
    """When gathering ends: whichever comes first."""

    documents: int
    seconds: float  # after the first upload


@dataclass(slots=True)
class WatchCounts:
    """What a watcher has done."""

    uploads: int = 0  # in lists that it has written
    runs: int = 0  # that read these lists
    again: int = 0  # messages about uploads that were in a list already
    passed_over: Counter[str] = field(default_factory=Counter)  # messages, by the reason

    def __str__(self) -> str:
        done = f"{counted(self.uploads, 'upload')} in {counted(self.runs, 'run')}"
        again = [f"{counted(self.again, 'message')} about uploads in earlier lists"] if self.again else []
        passed = [f"{counted(count, 'message')} passed over: {why}" for why, count in sorted(self.passed_over.items())]
        return "; ".join([done, *again, *passed])


class Watch:
    """One watcher. There may be several of one subscription."""

    def __init__(
        self,
        *,
        subscription: Subscription,
        journal: Journal,
        starter: RunStarter,
        size: BatchSize,
        bucket: str = "",
        announce: Callable[[str], None] = lambda _: None,
        times: HoldTimes | None = None,
    ) -> None:
        """Configure; nothing is pulled yet.

        Args:
            subscription: Of a topic that Cloud Storage notifies.
            journal: Where lists are written.
            starter: Starts the runs that read them.
            size: When a list is written.
            bucket: Uploads to any other one are passed over; empty: to none.
            announce: Called with what is done.
            times: How long messages are held.
        """
        self.counts = WatchCounts()
        self._held = HeldMessages(subscription, announce, times or HoldTimes())
        self._journal = journal
        self._starter = starter
        self._size = size
        self._bucket = bucket
        self._announce = announce
        self._gathering = Gathering()
        self._closes_at = 0.0  # by the event loop's clock; counts once something is gathered
        self._started: set[str] = set()  # lists whose run is known to exist

    async def run(self, end: asyncio.Event) -> WatchCounts:
        """Watch until `end` is set, and hand over what is gathered. If cancelled, release it instead.

        Raises:
            UsageError: The subscription cannot be used, or runs cannot be started.
            StoreUnusable: The destination cannot be used, or the service has not answered for half an hour.
        """
        async with self._held:
            await self._gather(end)
            await self._hand_over()
        return self.counts

    async def _gather(self, end: asyncio.Event) -> None:
        """Pull all the time, also while a list is handed over: an abandoned pull would delay its messages."""
        ending = asyncio.create_task(end.wait())
        pulling: asyncio.Task[Sequence[Message]] | None = None
        try:
            while not end.is_set():
                pulling = pulling or asyncio.create_task(self._held.pull(self._room()))
                await asyncio.wait({pulling, ending}, timeout=self._left(), return_when=asyncio.FIRST_COMPLETED)
                if pulling.done():
                    messages, pulling = pulling.result(), None
                    await self._sort(messages)
                if len(self._gathering) >= self._size.documents or self._left() == 0.0:
                    await self._hand_over()
        finally:
            for task in filter(None, (pulling, ending)):
                task.cancel()
                await asyncio.wait([task])

    def _room(self) -> int:
        return min(max(self._size.documents - len(self._gathering), 1), _MOST_PULLED)

    def _left(self) -> float | None:
        """Seconds until gathering ends; None while nothing is gathered."""
        if not len(self._gathering):
            return None
        return max(self._closes_at - asyncio.get_running_loop().time(), 0.0)

    async def _sort(self, messages: Sequence[Message]) -> None:
        """Gather uploads. Any other message is acknowledged with a word.

        One that is no notification at all is left to the dead letter topic, if there is one: somebody may miss it.
        """
        passed_over: dict[Why, list[str]] = {}
        refused = list[str]()
        settled = list[str]()
        for message in messages:
            found = read_notification(message.attributes, message.data, bucket=self._bucket)
            if not isinstance(found, PassedOver):
                if not len(self._gathering):
                    self._closes_at = asyncio.get_running_loop().time() + self._size.seconds
                self._gathering.add(found, message.ack_id)
                continue
            what = f"message {message.id}, {found.what}" if found.why is Why.MALFORMED else found.what
            passed_over.setdefault(found.why, []).append(what)
            to_dead_letters = found.why is Why.MALFORMED and message.may_be_dead_lettered
            (refused if to_dead_letters else settled).append(message.ack_id)
        for why, named in passed_over.items():
            self.counts.passed_over[why] += len(named)
            others = f" and {counted(len(named) - _NAMED, 'other')}" if len(named) > _NAMED else ""
            self._announce(f"passed over, {why}: {', '.join(named[:_NAMED])}{others}")
        await self._held.acknowledge(settled)
        await self._held.release(refused)

    async def _hand_over(self) -> None:
        """Write a list of what is gathered, start its run, acknowledge. What is in a list already stays in that one."""
        if not len(self._gathering):
            return
        await asyncio.to_thread(self._journal.refresh)
        lists: dict[str, list[str]] = {}
        uploads: dict[Upload, list[str]] = {}
        for upload, messages in self._gathering:
            if known := self._journal.list_with(upload):
                lists.setdefault(known, []).extend(messages)
            else:
                uploads[upload] = messages
        self.counts.again += sum(map(len, lists.values()))
        written = await asyncio.to_thread(self._journal.write, uploads) if uploads else ""
        if uploads:
            lists[written] = [message for messages in uploads.values() for message in messages]
        self._gathering = Gathering()
        for key, messages in lists.items():
            await self._start(key, len(uploads) if key == written else 0)
            await self._held.acknowledge(messages)

    async def _start(self, key: str, uploads: int) -> None:
        """Start the run of a list, or find that it was started before."""
        if key in self._started:
            return
        source = self._journal.location(key)
        run = await self._starter.start(source, self._journal.run_key(key))
        self._started.add(key)
        if uploads:
            self.counts.uploads += uploads
            self.counts.runs += 1
            self._announce(f"{counted(uploads, 'upload')}: run {run} reads {source}")
        else:
            self._announce(f"uploads of an earlier list: run {run} reads {source}")

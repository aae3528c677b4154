"""A watcher over the real Pub/Sub client and a fake service, which can be killed between any two steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from pagemill.domain.uploads.lists import read_list
from pagemill.domain.uploads.notifications import Message, Upload
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.pubsub import PubSubSubscription
from pagemill.ports import ObjectStore, StoredObject
from pagemill.uploads.held import HoldTimes
from pagemill.uploads.journal import Journal
from pagemill.uploads.ports import RunStarter
from pagemill.uploads.watch import BatchSize, Watch, WatchCounts
from tests.fakes.memory_store import MemoryStore
from tests.fakes.pubsub import SUBSCRIPTION, FakePubSub

LONG = HoldTimes(deadline=60, renewal=3600.0)


class Killed(BaseException):
    """The process is gone: nothing that it would do afterwards happens."""


class Fate:
    """Kills a watcher at its n-th step; a step is the moment before or after a call to the outside."""

    def __init__(self, at: int = 0, of: str = "") -> None:
        """Count all steps, or those of one call only; 0: never."""
        self.steps = 0
        self._at = at
        self._of = of

    @property
    def alive(self) -> bool:
        return not self._at or self.steps < self._at

    def step(self, of: str) -> None:
        if self.alive and self._of in {"", of}:
            self.steps += 1
        if not self.alive:
            raise Killed

    async def through(self, of: str, call: Any) -> Any:
        """Await a call, unless the watcher is dead."""
        try:
            self.step(of)
        except Killed:
            call.close()
            raise
        answer = await call
        self.step(of)
        return answer


@dataclass
class MortalSubscription:
    """A subscription as a watcher uses it that may be killed."""

    inner: PubSubSubscription
    fate: Fate
    name: str = SUBSCRIPTION

    async def pull(self, most: int) -> Sequence[Message]:
        pulled: Sequence[Message] = await self.fate.through("pull", self.inner.pull(most))
        return pulled

    async def extend(self, ack_ids: Sequence[str], seconds: int) -> None:
        await self.fate.through("extend", self.inner.extend(ack_ids, seconds))

    async def acknowledge(self, ack_ids: Sequence[str]) -> None:
        await self.fate.through("acknowledge", self.inner.acknowledge(ack_ids))

    async def release(self, ack_ids: Sequence[str]) -> None:
        await self.fate.through("release", self.inner.release(ack_ids))


@dataclass
class MortalStore:
    """The destination as a watcher uses it that may be killed."""

    inner: ObjectStore
    fate: Fate

    @property
    def name(self) -> str:
        return self.inner.name

    def keys(self, prefix: str) -> Iterator[str]:
        return self.inner.keys(prefix)

    def read(self, key: str) -> StoredObject | None:
        return self.inner.read(key)

    def write(self, key: str, body: bytes, *, content_type: str) -> None:
        self.fate.step("write")
        self.inner.write(key, body, content_type=content_type)
        self.fate.step("write")


@dataclass
class Runs:
    """The runs that a Prefect server knows: one for each key, as its idempotency keys are."""

    by_key: dict[str, str] = field(default_factory=dict)
    asked: int = 0

    async def start(self, source: str, key: str) -> str:
        self.asked += 1
        return f"run of {self.by_key.setdefault(key, source)}"


@dataclass
class MortalRuns:
    """The runs as a watcher starts them that may be killed."""

    inner: RunStarter
    fate: Fate

    async def start(self, source: str, key: str) -> str:
        name: str = await self.fate.through("start", self.inner.start(source, key))
        return name


@dataclass
class Uploads:
    """A bucket's notifications, a destination and a Prefect server; watchers come and go."""

    pubsub: FakePubSub
    store: ObjectStore = field(default_factory=MemoryStore)
    runs: Runs = field(default_factory=Runs)
    starter: RunStarter | None = None  # instead of `runs`
    said: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def watcher(
        self,
        *,
        fate: Fate | None = None,
        documents: int = 1000,
        seconds: float = 3600.0,
        bucket: str = "",
        times: HoldTimes = LONG,
    ) -> AsyncIterator[Watch]:
        """A new watcher, as after a start of its program."""
        fate = fate or Fate()
        async with GoogleApi("my-project", emulated=True) as google:
            yield Watch(
                subscription=MortalSubscription(
                    PubSubSubscription(google, SUBSCRIPTION, emulator=self.pubsub.host), fate
                ),
                journal=Journal(cast("ObjectStore", MortalStore(self.store, fate))),
                starter=MortalRuns(self.starter or self.runs, fate),
                size=BatchSize(documents, seconds),
                bucket=bucket,
                announce=self.said.append,
                times=times,
            )

    async def watched(self, until: str = "delivered", **options: Any) -> WatchCounts:
        """Watch until the fake is as it should be, and then to the end."""
        end = asyncio.Event()
        async with self.watcher(**options) as watch:
            running = asyncio.create_task(watch.run(end))
            waiting = asyncio.create_task(asyncio.to_thread(self.pubsub.wait_until, until))
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            self.pubsub.give_up()  # the watcher may have ended with an error
            end.set()
            try:
                return await running
            finally:
                await asyncio.to_thread(self.pubsub.wait_until, "idle")

    def lists(self) -> Mapping[str, list[Upload]]:
        """The uploads that each run reads, by the run's source."""
        found = {}
        for source in self.runs.by_key.values():
            stored = self.store.read(source.removeprefix("memory/"))
            assert stored, f"{source} is not there"
            found[source] = list(read_list(stored.data))
        return found

    def read(self) -> list[Upload]:
        """All uploads that runs read, in order; twice if they are read twice."""
        return sorted(upload for uploads in self.lists().values() for upload in uploads)


@pytest.fixture
def pubsub() -> Iterator[FakePubSub]:
    """A subscription without a dead letter topic."""
    with FakePubSub() as fake:
        yield fake


@pytest.fixture
def uploads(pubsub: FakePubSub) -> Uploads:
    """Nothing is uploaded yet."""
    return Uploads(pubsub)

"""Slots of a Prefect global concurrency limit: one cap over all runs that share a Prefect server.

A slot is held by a lane, which is lent to page after page for 20 to 30 seconds and then given back, so that other runs
get their turn. Measured: taking a slot for each page keeps eight slots 8 to 43 % busy, lanes 92 to 99 %.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.exceptions import PrefectHTTPStatusError

from pagemill.errors import UsageError
from pagemill.orchestration.slots.limit import missing_limit, note_slots

_LEASE_SECONDS = 60.0  # the server's minimum: a killed run's slots are back after it, and a look every 15 s
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaneTimes:
    """In seconds; ranges are drawn from at random, so that runs do not march in step."""

    hold: tuple[float, float] = (20.0, 30.0)  # until a lane is given back, between two pages
    retry: tuple[float, float] = (0.25, 0.75)  # between two tries to get one, and after giving one back
    idle: float = 0.25  # without a page, until it is given back early
    renewal: float = 15.0
    unanswered: float = 1800.0  # of a Prefect server that is away, until the run ends


@dataclass(eq=False, slots=True)
class _Lane:
    lease: UUID
    ends: float  # when it is to be given back
    renewed: float = field(default_factory=time.monotonic)
    lost: bool = False  # the server no longer knows the lease


class LimitSlots:
    """A pool of lanes; only as many are taken as pages are waiting for."""

    def __init__(
        self,
        client: PrefectClient,
        *,
        limit: str,
        most: int,
        flow_run: UUID,
        announce: Callable[[str], None] = lambda _: None,
        times: LaneTimes | None = None,
    ) -> None:
        """Configure; nothing is taken before a page asks.

        Args:
            client: The Prefect server's.
            limit: Name of the global concurrency limit.
            most: Lanes of this run at once.
            flow_run: Whom the slots are held for.
            announce: Told what is being waited for.
            times: How long to hold and to wait.
        """
        self._client = client
        self._limit = limit
        self._most = most
        self._flow_run = flow_run
        self._announce = announce
        self._times = times or LaneTimes()
        self._lanes: set[_Lane] = set()
        self._idle: list[_Lane] = []
        self._waiting: deque[asyncio.Future[_Lane]] = deque()
        self._acquiring: asyncio.Task[None] | None = None
        self._returning: set[asyncio.Task[None]] = set()
        self._watching: list[asyncio.Task[None]] = []
        self._unnoted = asyncio.Event()
        self._modest_until = 0.0
        self._silent_since: float | None = None  # the Prefect server
        self._closed = False

    async def __aenter__(self) -> Self:
        self._watching = [asyncio.create_task(self._renew_for_ever()), asyncio.create_task(self._note_for_ever())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for watch in self._watching:
            watch.cancel()
        if self._acquiring:
            await asyncio.wait([self._acquiring])  # a request under way may get a slot, which is then to be given back
        for lane in list(self._lanes):
            self._retire(lane)
        if self._returning:
            await asyncio.wait(self._returning)
        await self.note_held()

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Borrow a lane for one page.

        Raises:
            UsageError: There is no such limit, or the Prefect server is gone for good.
        """
        lane = self._idle.pop() if self._idle else await self._next_lane()
        try:
            yield
        finally:
            self._take_back(lane)

    async def _next_lane(self) -> _Lane:
        turn: asyncio.Future[_Lane] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._acquire()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and not turn.exception():
                self._take_back(turn.result())
            raise

    def _take_back(self, lane: _Lane) -> None:
        while self._waiting and self._waiting[0].done():  # whoever waited there was cancelled
            self._waiting.popleft()
        if lane.lost or self._closed or time.monotonic() > lane.ends:
            self._retire(lane)
        elif self._waiting:
            self._waiting.popleft().set_result(lane)
        else:
            self._idle.append(lane)
            asyncio.get_running_loop().call_later(self._times.idle, self._retire_idle, lane)

    def _retire_idle(self, lane: _Lane) -> None:
        if lane in self._idle:
            self._retire(lane)

    def _retire(self, lane: _Lane) -> None:
        if lane in self._idle:
            self._idle.remove(lane)
        self._lanes.discard(lane)
        self._unnoted.set()
        self._be_modest()
        task = asyncio.create_task(self._return(lane))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)
        self._acquire()

    async def _return(self, lane: _Lane) -> None:
        """Give the slot back, also to a server that has forgotten its leases in a restart, but not what is taken.

        (It keeps them in memory, unless PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE says otherwise.) To give back a lease
        that the server does not know changes nothing there, and is no error either: hence the look before.
        """
        try:
            if not lane.lost:
                await self._renew(lane)
            if not lane.lost:
                await self._client.release_concurrency_slots_with_lease(lane.lease)
            elif time.monotonic() - lane.renewed < _LEASE_SECONDS:  # it cannot have expired
                await self._client.release_concurrency_slots([self._limit], 1, _LEASE_SECONDS)
        except httpx.HTTPError as error:
            _log.warning("a slot of '%s' was not given back, it expires within a minute: %s", self._limit, error)

    def _acquire(self) -> None:
        """See that somebody gets lanes for those who wait."""
        wanted = any(not turn.done() for turn in self._waiting) and len(self._lanes) < self._most
        if wanted and not self._closed and (self._acquiring is None or self._acquiring.done()):
            self._acquiring = asyncio.create_task(self._acquire_lanes())

    async def _acquire_lanes(self) -> None:
        try:
            while not self._closed and len(self._lanes) < self._most and any(not turn.done() for turn in self._waiting):
                await asyncio.sleep(max(self._modest_until - time.monotonic(), 0.0))
                if lane := await self._take_if_answered():
                    self._lanes.add(lane)
                    self._unnoted.set()
                    self._take_back(lane)
                else:
                    self._be_modest()
        except Exception as error:  # noqa: BLE001 -- whoever waits gets it; lost in this task, they would wait for ever
            for turn in self._waiting:
                if not turn.done():
                    turn.set_exception(error)
            self._waiting.clear()

    async def _take_if_answered(self) -> _Lane | None:
        """Take a slot, however long the server may be away."""
        try:
            lane = await self._take()
        except httpx.HTTPError as error:
            self._silent_since = self._silent_since or time.monotonic()
            if time.monotonic() - self._silent_since > self._times.unanswered:
                message = f"the Prefect server gives no slots: {error}; see that it runs, then run again"
                raise UsageError(message) from error
            self._announce(f"waiting for the Prefect server: {error}")
            return None
        self._silent_since = None
        return lane

    async def _take(self) -> _Lane | None:
        """Take a slot; None if there is none free."""
        holder = ConcurrencyLeaseHolder(type="flow_run", id=self._flow_run)
        try:
            response = await self._client.increment_concurrency_slots_with_lease(
                [self._limit], 1, "concurrency", _LEASE_SECONDS, holder
            )
        except PrefectHTTPStatusError as error:
            if error.response.status_code == HTTPStatus.LOCKED:
                if not self._lanes:
                    self._announce(f"waiting for a slot: other runs have all of '{self._limit}'")
                return None
            if error.response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
                raise UsageError(f"the limit '{self._limit}' allows no page; raise it: prefect gcl update") from error
            raise
        answer = response.json()
        lease = UUID(answer["lease_id"])
        if not answer["limits"]:
            await self._client.release_concurrency_slots_with_lease(lease)
            raise missing_limit(self._limit)
        return _Lane(lease, time.monotonic() + random.uniform(*self._times.hold))  # noqa: S311 -- no secret

    def _be_modest(self) -> None:
        """Let others go first for a moment."""
        self._modest_until = time.monotonic() + random.uniform(*self._times.retry)  # noqa: S311 -- no secret

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._times.renewal)
            await asyncio.gather(*map(self._renew, self._lanes))
            for lane in [lane for lane in self._idle if lane.lost]:
                self._retire(lane)
            self._unnoted.set()  # a sign of life

    async def _renew(self, lane: _Lane) -> None:
        try:
            await self._client.renew_concurrency_lease(lane.lease, _LEASE_SECONDS)
            lane.renewed = time.monotonic()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the other lanes are to be renewed
            gone = isinstance(error, httpx.HTTPStatusError) and error.response.status_code == HTTPStatus.GONE
            lane.lost = gone or time.monotonic() - lane.renewed > _LEASE_SECONDS

    async def _note_for_ever(self) -> None:
        while True:
            await self._unnoted.wait()
            self._unnoted.clear()
            if not await self.note_held():
                await asyncio.sleep(self._times.retry[1])
                self._unnoted.set()

    async def note_held(self) -> bool:
        """Write on the flow run how many slots it holds; tell whether that went well."""
        try:
            await note_slots(self._client, self._flow_run, limit=self._limit, slots=len(self._lanes))
        except Exception as error:  # noqa: BLE001 -- a note that fails must neither cost a page nor be the last one
            _log.info("how many slots are held could not be noted: %s", error)
            return False
        return True

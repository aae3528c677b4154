"""Slots of a Prefect global concurrency limit: one cap over all runs that share a Prefect server.

A run keeps a slot's lease for 20 to 30 seconds and sends page after page under it. Then it gives the slot back, so that
other runs get a turn. Measured: one lease for each page keeps eight slots busy 8 to 43 % of the time, leases that are
kept 92 to 99 %.
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

from pagemill.domain.wording import said
from pagemill.errors import UsageError
from pagemill.orchestration.slots.limit import missing_limit, write_held_slots

_LEASE_SECONDS = 60.0  # the server's minimum; it frees the slots of expired leases every 15 s
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """In seconds. Of a range, a random value is taken each time, so that runs do not act in step."""

    hold: tuple[float, float] = (20.0, 30.0)  # until a slot is given back, between two pages
    retry: tuple[float, float] = (0.25, 0.75)  # between two attempts to get a slot, and after giving one back
    idle: float = 0.25  # without a page, until a slot is given back early
    renewal: float = 15.0
    unanswered: float = 1800.0  # the run ends after this time without an answer from the Prefect server


@dataclass(eq=False, slots=True)
class _SlotLease:
    id: UUID
    return_at: float  # by time.monotonic
    renewed_at: float = field(default_factory=time.monotonic)
    lost: bool = False  # the server no longer knows it
    idle_timer: asyncio.TimerHandle | None = None  # gives it back, unless a page comes before


class LimitSlots:
    """The slot leases of one run. It takes only as many as there are pages waiting."""

    def __init__(
        self,
        client: PrefectClient,
        *,
        limit: str,
        most: int,
        flow_run: UUID,
        announce: Callable[[str], None] = lambda _: None,
        times: LeaseTimes | None = None,
    ) -> None:
        """Configure. Nothing is taken before a page asks.

        Args:
            client: Of the Prefect server.
            limit: Name of the global concurrency limit.
            most: Slots that this run holds at once, at most.
            flow_run: The holder of the slots.
            announce: Called with what the run is waiting for.
            times: How long to hold and to wait.
        """
        self._client = client
        self._limit = limit
        self._most = most
        self._flow_run = flow_run
        self._announce = announce
        self._times = times or LeaseTimes()
        self._leases: set[_SlotLease] = set()
        self._idle: list[_SlotLease] = []
        self._waiting: deque[asyncio.Future[_SlotLease]] = deque()
        self._acquiring: asyncio.Task[None] | None = None
        self._returning: set[asyncio.Task[None]] = set()
        self._background: list[asyncio.Task[None]] = []
        self._unreported = asyncio.Event()
        self._back_off_until = 0.0
        self._unanswered_since: float | None = None  # by the Prefect server
        self._closed = False

    async def __aenter__(self) -> Self:
        self._background = [asyncio.create_task(self._keep_renewing()), asyncio.create_task(self._keep_reporting())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for task in self._background:
            task.cancel()
        if self._acquiring:
            await asyncio.wait([self._acquiring])  # a request under way may still get a slot, to be given back below
        for lease in list(self._leases):
            self._release(lease)
        if self._returning:
            await asyncio.wait(self._returning)
        await self.report_held()

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Use a slot for one page.

        Raises:
            UsageError: The limit does not exist, or the Prefect server has not answered for half an hour.
        """
        lease = self._used_again() if self._idle else await self._next_lease()
        try:
            yield
        finally:
            self._pass_on(lease)

    def _used_again(self) -> _SlotLease:
        """An idle lease. Its idle time ends, and begins anew with the end of the next page."""
        lease = self._idle.pop()
        if lease.idle_timer:
            lease.idle_timer.cancel()
        return lease

    async def _next_lease(self) -> _SlotLease:
        turn: asyncio.Future[_SlotLease] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._acquire()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and not turn.exception():
                self._pass_on(turn.result())
            raise

    def _pass_on(self, lease: _SlotLease) -> None:
        """Give a slot that is free to the next page, keep it idle for a moment, or give it back if its time is over."""
        while self._waiting and self._waiting[0].done():  # this page was cancelled while it waited
            self._waiting.popleft()
        if lease.lost or self._closed or time.monotonic() > lease.return_at:
            self._release(lease)
        elif self._waiting:
            self._waiting.popleft().set_result(lease)
        else:
            self._idle.append(lease)
            loop = asyncio.get_running_loop()
            lease.idle_timer = loop.call_later(self._times.idle, self._release_if_idle, lease)

    def _release_if_idle(self, lease: _SlotLease) -> None:
        if lease in self._idle:
            self._release(lease)

    def _release(self, lease: _SlotLease) -> None:
        if lease in self._idle:
            self._idle.remove(lease)
        self._leases.discard(lease)
        self._unreported.set()
        self._back_off()
        task = asyncio.create_task(self._return(lease))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)
        self._acquire()

    async def _return(self, lease: _SlotLease) -> None:
        """Give the slot back to the server, even if the server has lost its leases in a restart.

        (It keeps them in memory, unless PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE says otherwise.) A release with an
        unknown lease changes nothing and is no error either, so the lease is renewed first to see whether it is known.
        If not, the slot is released without a lease, but only while the lease cannot have expired: an expired lease has
        freed its slot already, and another run may have it.
        """
        try:
            if not lease.lost:
                await self._renew(lease)
            if not lease.lost:
                await self._client.release_concurrency_slots_with_lease(lease.id)
            elif time.monotonic() - lease.renewed_at < _LEASE_SECONDS:  # it cannot have expired
                await self._client.release_concurrency_slots([self._limit], 1, _LEASE_SECONDS)
        except httpx.HTTPError as error:
            _log.warning("a slot of '%s' was not given back, it expires within a minute: %s", self._limit, error)

    def _acquire(self) -> None:
        """Start a task that gets leases for the waiting pages, unless one is running."""
        if self._wants_more() and (self._acquiring is None or self._acquiring.done()):
            self._acquiring = asyncio.create_task(self._acquire_leases())

    def _wants_more(self) -> bool:
        waiting = any(not turn.done() for turn in self._waiting)
        return waiting and len(self._leases) < self._most and not self._closed

    async def _acquire_leases(self) -> None:
        try:
            while self._wants_more():
                await asyncio.sleep(max(self._back_off_until - time.monotonic(), 0.0))
                if lease := await self._take_if_answered():
                    self._leases.add(lease)
                    self._unreported.set()
                    self._pass_on(lease)
                else:
                    self._back_off()
        except Exception as error:  # noqa: BLE001 -- the waiting pages get it; else they would hang
            for turn in self._waiting:
                if not turn.done():
                    turn.set_exception(error)
            self._waiting.clear()

    async def _take_if_answered(self) -> _SlotLease | None:
        """Take a slot; None if there is no free one, or if the server does not answer for now."""
        try:
            lease = await self._take()
        except httpx.HTTPError as error:
            self._unanswered_since = self._unanswered_since or time.monotonic()
            if time.monotonic() - self._unanswered_since > self._times.unanswered:
                message = f"the Prefect server gives no slots: {said(error)}; check that it runs, then run again"
                raise UsageError(message) from error
            self._announce(f"waiting for the Prefect server: {said(error)}")
            return None
        self._unanswered_since = None
        return lease

    async def _take(self) -> _SlotLease | None:
        """Take a slot; None if there is no free one."""
        holder = ConcurrencyLeaseHolder(type="flow_run", id=self._flow_run)
        try:
            response = await self._client.increment_concurrency_slots_with_lease(
                [self._limit], 1, "concurrency", _LEASE_SECONDS, holder
            )
        except PrefectHTTPStatusError as error:
            if error.response.status_code == HTTPStatus.LOCKED:
                if not self._leases:
                    self._announce(f"waiting for a slot: other runs have all of '{self._limit}'")
                return None
            if error.response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
                raise UsageError(f"the limit '{self._limit}' allows no page; raise it: prefect gcl update") from error
            raise
        answer = response.json()
        lease_id = UUID(answer["lease_id"])
        if not answer["limits"]:
            await self._client.release_concurrency_slots_with_lease(lease_id)
            raise missing_limit(self._limit)
        return _SlotLease(lease_id, time.monotonic() + random.uniform(*self._times.hold))  # noqa: S311 -- no secret

    def _back_off(self) -> None:
        """Wait for a moment before the next request, so that other runs go first."""
        self._back_off_until = time.monotonic() + random.uniform(*self._times.retry)  # noqa: S311 -- no secret

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._times.renewal)
            await asyncio.gather(*map(self._renew, self._leases))
            for lease in [lease for lease in self._idle if lease.lost]:
                self._release(lease)
            self._unreported.set()  # the time of the report shows that the run is alive

    async def _renew(self, lease: _SlotLease) -> None:
        try:
            await self._client.renew_concurrency_lease(lease.id, _LEASE_SECONDS)
            lease.renewed_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 -- any error: the other leases must still be renewed
            gone = isinstance(error, httpx.HTTPStatusError) and error.response.status_code == HTTPStatus.GONE
            lease.lost = gone or time.monotonic() - lease.renewed_at > _LEASE_SECONDS

    async def _keep_reporting(self) -> None:
        while True:
            await self._unreported.wait()
            self._unreported.clear()
            if not await self.report_held():
                await asyncio.sleep(self._times.retry[1])
                self._unreported.set()

    async def report_held(self) -> bool:
        """Write on the flow run how many slots it holds; return whether that worked."""
        try:
            await write_held_slots(self._client, self._flow_run, limit=self._limit, slots=len(self._leases))
        except Exception as error:  # noqa: BLE001 -- a failed report must neither cost a page nor stop later reports
            _log.info("the number of held slots could not be reported: %s", error)
            return False
        return True

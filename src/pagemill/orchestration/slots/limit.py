"""The global concurrency limit that caps the pages at the endpoint: made, looked at, mended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from pagemill.errors import UsageError

DEFAULT_SLOTS = 8
STALE_SECONDS = 75.0  # a lease lives for a minute, and the server looks for dead ones every 15 s
_LOOK_SECONDS, _WATCH_SECONDS = 5.0, STALE_SECONDS + 5.0
_HELD, _LIMIT, _AT = "pagemill.slots", "pagemill.slots-of", "pagemill.slots-at"


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds slots."""

    flow_run: str
    slots: int


@dataclass(frozen=True, slots=True)
class LimitReport:
    """A limit, and who holds its slots."""

    name: str
    limit: int
    taken: int  # as the server counts
    holders: tuple[Holder, ...]  # as live runs said within the last 75 seconds

    @property
    def drift(self) -> int:
        """Slots that are taken, but by nobody alive; below zero: slots held that the server does not count."""
        return self.taken - sum(holder.slots for holder in self.holders)


def missing_limit(name: str) -> UsageError:
    """The error for a limit that is not there."""
    return UsageError(
        f"the Prefect server has no concurrency limit '{name}', which caps the pages at the endpoint over all "
        "runs; create it: pagemill register"
    )


async def read_limit(client: PrefectClient, name: str) -> int | None:
    """Slots of the limit; None if there is none."""
    try:
        return (await client.read_global_concurrency_limit_by_name(name)).limit
    except ObjectNotFound:
        return None


async def ensure_limit(client: PrefectClient, name: str, slots: int) -> None:
    """Create the limit, or set its slots."""
    if await read_limit(client, name) is None:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
    else:
        await client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(limit=slots))


async def note_slots(client: PrefectClient, flow_run: UUID, *, limit: str, slots: int) -> None:
    """Write on the flow run how many slots it holds: the server's interface does not tell who holds a lease."""
    await client.update_flow_run_labels(flow_run, {_HELD: slots, _LIMIT: limit, _AT: int(time.time())})


async def report_limit(client: PrefectClient, name: str) -> LimitReport:
    """Look at the limit and at the runs that say that they hold its slots.

    Raises:
        UsageError: There is no such limit.
    """
    try:
        found = await client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound as error:
        raise missing_limit(name) from error
    held = [_holder(run, name) for run in await _running(client)]
    return LimitReport(name, found.limit, found.active_slots, tuple(holder for holder in held if holder))


async def repair(client: PrefectClient, report: LimitReport) -> LimitReport:
    """Give back what nobody alive holds, if it does not come back by itself: watches for as long as a lease can last.

    Returns:
        How things are then.
    """
    deadline = time.monotonic() + _WATCH_SECONDS
    while report.drift > 0 and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        report = await report_limit(client, report.name)
    if report.drift > 0:  # taken off, not set: runs may go on meanwhile
        await client.release_concurrency_slots([report.name], report.drift, STALE_SECONDS)
    return await report_limit(client, report.name)


async def _running(client: PrefectClient) -> Sequence[FlowRun]:
    states = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING])
    wanted = FlowRunFilter(state=FlowRunFilterState(type=states))
    runs: list[FlowRun] = []
    while page := await client.read_flow_runs(flow_run_filter=wanted, limit=200, offset=len(runs)):
        runs += page
    return runs


def _holder(run: FlowRun, limit: str) -> Holder | None:
    labels = run.labels
    if labels.get(_LIMIT) != limit or time.time() - float(labels.get(_AT, 0)) > STALE_SECONDS:
        return None
    return Holder(run.name, int(labels.get(_HELD, 0)))

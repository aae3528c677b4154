"""The global concurrency limit that caps the pages at the endpoint: create it, report it, repair it."""

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
STALE_SECONDS = 75.0  # a lease lasts a minute, and the server looks for expired ones every 15 s
_POLL_SECONDS, _WATCH_SECONDS = 5.0, STALE_SECONDS + 5.0
_HELD, _LIMIT, _AT = "pagemill.slots", "pagemill.slots-of", "pagemill.slots-at"


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds slots."""

    flow_run: str
    slots: int


@dataclass(frozen=True, slots=True)
class LimitReport:
    """A limit and the holders of its slots."""

    name: str
    limit: int
    taken: int  # by the server's count
    holders: tuple[Holder, ...]  # what live runs reported within the last 75 seconds

    @property
    def drift(self) -> int:
        """Slots that are taken without a live holder; negative: held slots that the server does not count."""
        return self.taken - sum(holder.slots for holder in self.holders)


def missing_limit(name: str) -> UsageError:
    """The error for a limit that does not exist."""
    return UsageError(
        f"the Prefect server has no concurrency limit '{name}', which caps the pages at the endpoint over all "
        "runs; create it: pagemill register"
    )


async def read_limit(client: PrefectClient, name: str) -> int | None:
    """The number of slots; None if there is no such limit."""
    try:
        return (await client.read_global_concurrency_limit_by_name(name)).limit
    except ObjectNotFound:
        return None


async def ensure_limit(client: PrefectClient, name: str, slots: int) -> None:
    """Create the limit, or set its number of slots."""
    if await read_limit(client, name) is None:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
    else:
        await client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(limit=slots))


async def write_held_slots(client: PrefectClient, flow_run: UUID, *, limit: str, slots: int) -> None:
    """Write on the flow run how many slots it holds: Prefect's API does not say who holds a lease."""
    await client.update_flow_run_labels(flow_run, {_HELD: slots, _LIMIT: limit, _AT: int(time.time())})


async def report_limit(client: PrefectClient, name: str) -> LimitReport:
    """Read the limit, and the runs that report slots of it.

    Raises:
        UsageError: The limit does not exist.
    """
    try:
        found = await client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound as error:
        raise missing_limit(name) from error
    holders = [_holder(run, name) for run in await _running(client)]
    return LimitReport(name, found.limit, found.active_slots, tuple(holder for holder in holders if holder))


async def repair(client: PrefectClient, report: LimitReport) -> LimitReport:
    """Give back the slots without a live holder, unless they become free within the time that a lease can last.

    Returns:
        The limit afterwards.
    """
    deadline = time.monotonic() + _WATCH_SECONDS
    while report.drift > 0 and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
        report = await report_limit(client, report.name)
    if report.drift > 0:  # subtracted, not set: other runs take slots meanwhile
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

"""The counters of a shard, as labels of its flow run: one request reads the states and the counters of all shards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from pagemill.batch.progress import Progress
from pagemill.domain.pages.model import Status

_PAGES, _SUSPECTS = "pagemill.pages-", "pagemill.suspects"
_REQUESTS, _IN_FLIGHT = "pagemill.requests", "pagemill.in-flight"


@dataclass(frozen=True, slots=True)
class ShardCounters:
    """The progress of a shard."""

    statuses: Counter[Status] = field(default_factory=Counter)
    suspects: int = 0
    requests: int = 0
    in_flight: int = 0


async def write_counters(client: PrefectClient, flow_run: UUID, progress: Progress) -> None:
    """Write the counters on the shard's flow run."""
    pages = {f"{_PAGES}{status}": count for status, count in progress.statuses.items()}
    now = {_SUSPECTS: progress.suspects, _REQUESTS: progress.requests, _IN_FLIGHT: progress.in_flight}
    await client.update_flow_run_labels(flow_run, {**pages, **now})


def read_counters(flow_run: FlowRun) -> ShardCounters:
    """Read the counters of a flow run; zeros if none have been written yet."""
    labels = flow_run.labels
    statuses = Counter({status: int(labels.get(f"{_PAGES}{status}", 0)) for status in Status})
    return ShardCounters(statuses, *(int(labels.get(name, 0)) for name in (_SUSPECTS, _REQUESTS, _IN_FLIGHT)))

"""Settings of a Prefect server with which it loses slots or events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import PrefectClient

_FEW = 20  # task runs in one transaction; with one in each, the server records at most 30 a second
_SHARED = {  # what several processes must share, and the variable that puts it into Redis
    ("concurrency", "lease_storage"): "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect_redis.lease_storage",
    ("events", "messaging_broker"): "PREFECT_MESSAGING_BROKER=prefect_redis.messaging",
    ("events", "messaging_cache"): "PREFECT_MESSAGING_CACHE=prefect_redis.messaging",
    ("events", "causal_ordering"): "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING=prefect_redis.ordering",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """A setting to change, because the present one loses slots or events, or is slow."""

    subject: str
    problem: str
    variable: str  # to start the server with


async def advice(client: PrefectClient) -> list[Advice]:
    """Advice on the settings of a running server; empty if there is nothing to change.

    A setting that the server does not report is taken to be right.
    """
    response = await client.request("GET", "/admin/settings")
    return advice_on(response.json().get("server", {}))


def advice_on(found: dict[str, Any]) -> list[Advice]:
    """Advice on settings as a server reports them. It reports neither its database nor its number of processes."""
    return [given for given in (_leases(found), _recorder(found), _shared(found)) if given]


def _leases(found: dict[str, Any]) -> Advice | None:
    if not _of(found, "concurrency", "lease_storage").endswith(".memory") or _in_redis(found):
        return None
    return Advice(
        "slot leases",
        "are in the server's memory: a restart loses them",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect.server.concurrency.lease_storage.filesystem",
    )


def _recorder(found: dict[str, Any]) -> Advice | None:
    size = _of(found, "services", "task_run_recorder", "batch_size")
    if not size or int(size) >= _FEW:
        return None
    return Advice(
        "task runs",
        f"are recorded {size} at a time: above 30 a second the server drops events, and runs are missing in the UI",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE=100 and …_READ_BATCH_SIZE=100",
    )


def _shared(found: dict[str, Any]) -> Advice | None:
    """Redis is for servers of several processes. If one of the shared states is in Redis, all must be."""
    shared = _in_redis(found)
    apart = [variable for path, variable in _SHARED.items() if _of(found, *path) and path not in shared]
    if not shared or not apart:
        return None
    return Advice(
        "several processes",
        "share only a part of their state in Redis: slots may leak, events may be lost, states may be late",
        " and ".join(apart),
    )


def _in_redis(found: dict[str, Any]) -> set[tuple[str, ...]]:
    return {path for path in _SHARED if "redis" in _of(found, *path)}


def _of(settings: Any, *path: str) -> str:
    """A value by its path; empty if there is none."""
    for name in path:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return "" if settings is None else str(settings)

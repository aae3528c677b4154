"""What the Prefect server is set to, as far as it decides whether slots and events are lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import PrefectClient

_FEW = 20  # task runs in one transaction: with one each, 30 a second are the ceiling
_SHARED = {  # what several processes have to have in common, and the variable that puts it into Redis
    ("concurrency", "lease_storage"): "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect_redis.lease_storage",
    ("events", "messaging_broker"): "PREFECT_MESSAGING_BROKER=prefect_redis.messaging",
    ("events", "messaging_cache"): "PREFECT_MESSAGING_CACHE=prefect_redis.messaging",
    ("events", "causal_ordering"): "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING=prefect_redis.ordering",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """A setting that costs slots, events or speed."""

    what: str
    why: str
    variable: str  # to start the server with


async def advice(client: PrefectClient) -> list[Advice]:
    """Look at the server's settings; what is as it should be is not mentioned.

    Settings that a server does not tell are taken for well.
    """
    response = await client.request("GET", "/admin/settings")
    return advice_on(response.json().get("server", {}))


def advice_on(found: dict[str, Any]) -> list[Advice]:
    """The same for settings as a server tells them. It does not tell its database, nor how many processes it has."""
    return [given for given in (_leases(found), _recorder(found), _shared(found)) if given]


def _leases(found: dict[str, Any]) -> Advice | None:
    if not _of(found, "concurrency", "lease_storage").endswith(".memory") or _in_redis(found):
        return None
    return Advice(
        "slot leases",
        "in the server's memory: a restart loses them",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect.server.concurrency.lease_storage.filesystem",
    )


def _recorder(found: dict[str, Any]) -> Advice | None:
    size = _of(found, "services", "task_run_recorder", "batch_size")
    if not size or int(size) >= _FEW:
        return None
    return Advice(
        "task runs",
        f"recorded {size} at a time: past 30 a second events are dropped, and runs vanish from the UI",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE=100 and …_READ_BATCH_SIZE=100",
    )


def _shared(found: dict[str, Any]) -> Advice | None:
    """Redis is for several processes, and where one thing is in it, all have to be."""
    shared = _in_redis(found)
    apart = [variable for path, variable in _SHARED.items() if _of(found, *path) and path not in shared]
    if not shared or not apart:
        return None
    return Advice(
        "several processes",
        "have some of what they share in Redis, and the rest apart: slots may leak, events get lost, states be late",
        " and ".join(apart),
    )


def _in_redis(found: dict[str, Any]) -> set[tuple[str, ...]]:
    return {path for path in _SHARED if "redis" in _of(found, *path)}


def _of(settings: Any, *path: str) -> str:
    """A value by its path; empty where there is none."""
    for name in path:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return "" if settings is None else str(settings)

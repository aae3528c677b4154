"""What the Prefect server is set to, as far as it decides whether slots and events are lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import PrefectClient

_FEW = 20  # task runs in one transaction: with one each, 30 a second are the ceiling


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
    found: dict[str, Any] = response.json().get("server", {})
    return [given for given in (_leases(found), _recorder(found), _ordering(found)) if given]


def _leases(found: dict[str, Any]) -> Advice | None:
    if not _of(found, "concurrency", "lease_storage").endswith(".memory"):
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


def _ordering(found: dict[str, Any]) -> Advice | None:
    broker = _of(found, "events", "messaging_broker")
    ordering = _of(found, "events", "causal_ordering")
    if "redis" not in broker or "redis" in ordering:
        return None
    return Advice(
        "events",
        "ordered in each process's own memory although they come through Redis: states may be late",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING=prefect_redis.ordering",
    )


def _of(settings: Any, *path: str) -> str:
    """A value by its path; empty where there is none."""
    for name in path:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return "" if settings is None else str(settings)

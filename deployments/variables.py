"""Prefect variables that `prefect.yaml` refers to: the values that differ between installations."""

from __future__ import annotations

from functools import partial

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate

from pagemill.config.pool import PoolSettings
from pagemill.config.run import read
from pagemill.config.watch import WatchSettings
from pagemill.deployments.resource import Resource

NOT_SET = "gs://not-set/see-PAGEMILL_POOL_NIGHTLY"  # the parameter must not be empty; the schedule is off
NOT_WATCHED = "see-PAGEMILL_WATCH_SUBSCRIPTION"
_TAGS = ["pagemill"]


def wanted(settings: PoolSettings, watch: WatchSettings) -> dict[str, str | bool]:
    """The values, by name."""
    return {
        "pagemill_work_pool": settings.kind,
        "pagemill_source": settings.nightly_source or NOT_SET,
        "pagemill_destination": settings.nightly_destination or NOT_SET,
        "pagemill_nightly": settings.nightly,
        "pagemill_watch_subscription": watch.subscription_name if watch.configured else NOT_WATCHED,
        "pagemill_watch_destination": watch.destination or NOT_SET,
        "pagemill_watch": watch.configured,
    }


async def variables(client: PrefectClient, settings: PoolSettings) -> list[Resource]:
    """All variables of `prefect.yaml`."""
    return [await _variable(client, name, value) for name, value in wanted(settings, read(WatchSettings)).items()]


async def _variable(client: PrefectClient, name: str, value: str | bool) -> Resource:  # noqa: FBT001 -- it is a value
    found = await client.read_variable_by_name(name)
    label = f"variable '{name}' = {value}"
    if found is None:
        new = VariableCreate(name=name, value=value, tags=_TAGS)
        return Resource(label, "missing", partial(client.create_variable, new))
    difference = f"is {found.value}" if found.value != value else ""
    return Resource(
        label, difference, partial(client.update_variable, VariableUpdate(name=name, value=value, tags=_TAGS))
    )

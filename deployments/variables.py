"""Prefect variables that `prefect.yaml` is written with: what differs from one installation to the next."""

from __future__ import annotations

from functools import partial

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate

from pagemill.config.pool import PoolSettings
from pagemill.deployments.resource import Resource

NOT_SET = "gs://not-set/see-PAGEMILL_POOL_NIGHTLY"  # a parameter has to be one; the schedule is off
_TAGS = ["pagemill"]


def wanted(settings: PoolSettings) -> dict[str, str | bool]:
    """Name to value."""
    return {
        "pagemill_work_pool": settings.kind,
        "pagemill_source": settings.nightly_source or NOT_SET,
        "pagemill_destination": settings.nightly_destination or NOT_SET,
        "pagemill_nightly": settings.nightly,
    }


async def variables(client: PrefectClient, settings: PoolSettings) -> list[Resource]:
    """All of them."""
    return [await _variable(client, name, value) for name, value in wanted(settings).items()]


async def _variable(client: PrefectClient, name: str, value: str | bool) -> Resource:  # noqa: FBT001 -- it is a value
    found = await client.read_variable_by_name(name)
    what = f"variable '{name}' = {value}"
    if found is None:
        made = VariableCreate(name=name, value=value, tags=_TAGS)
        return Resource(what, "is not there", partial(client.create_variable, made))
    differs = f"is {found.value}" if found.value != value else ""
    return Resource(what, differs, partial(client.update_variable, VariableUpdate(name=name, value=value, tags=_TAGS)))

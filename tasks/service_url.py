"""Where the service is: a Prefect variable that deployments write and batches read."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate

from pagemill.settings import Settings
from tasks.parameters import OcrBatchParameters
from tasks.private_server import is_private

VARIABLE = "lightonocr_service_url"  # LIGHTONOCR_SERVICE_URL; Prefect's names are in lower case
_TAGS = ["pagemill"]


async def publish(url: str) -> None:
    """Let batches find the service."""
    # Not through `Variable.aset`, which opens a client and leaves it open.
    async with get_client() as client:
        if await client.read_variable_by_name(VARIABLE):
            await client.update_variable(VariableUpdate(name=VARIABLE, value=url, tags=_TAGS))
        else:
            await client.create_variable(VariableCreate(name=VARIABLE, value=url, tags=_TAGS))


async def withdraw(url: str) -> bool:
    """Let batches no longer find a service that is gone; tell whether they would have."""
    if not url or await published() != url:
        return False
    async with get_client() as client:
        await client.delete_variable_by_name(VARIABLE)
    return True


async def published() -> str:
    """The service's URL; empty if none is published."""
    async with get_client() as client:
        found = await client.read_variable_by_name(VARIABLE)
    return str(found.value) if found else ""


async def located(settings: Settings, parameters: OcrBatchParameters) -> Settings:
    """The settings with the published URL, where neither the run nor the environment names an endpoint.

    A run with a Prefect server of its own has no such variable but what another such run left there.
    """
    if parameters.endpoint or settings.service_url or is_private():
        return settings
    return settings.model_copy(update={"service_url": await published()})

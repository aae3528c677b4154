"""The URL of the OCR service: a Prefect variable that deployments write and batches read."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.settings import get_current_settings

from pagemill.config.run import Settings
from pagemill.domain.service.endpoint_url import checked
from pagemill.errors import UsageError
from pagemill.orchestration.server.process import is_private

VARIABLE = "lightonocr_service_url"  # LIGHTONOCR_SERVICE_URL; Prefect's names are in lower case
_TAGS = ["pagemill"]


async def publish(url: str) -> None:
    """Publish the URL, so that batches find the service."""
    # Not with `Variable.aset`: it opens a client and does not close it.
    async with get_client() as client:
        if await client.read_variable_by_name(VARIABLE):
            await client.update_variable(VariableUpdate(name=VARIABLE, value=url, tags=_TAGS))
        else:
            await client.create_variable(VariableCreate(name=VARIABLE, value=url, tags=_TAGS))


async def withdraw(url: str) -> bool:
    """Remove the URL of a deleted service; return whether it was the published one."""
    if not url or await published() != url:
        return False
    async with get_client() as client:
        await client.delete_variable_by_name(VARIABLE)
    return True


async def published() -> str:
    """The published URL; empty if there is none."""
    async with get_client() as client:
        found = await client.read_variable_by_name(VARIABLE)
    return str(found.value) if found else ""


async def located(settings: Settings, asked: str = "") -> Settings:
    """The settings, with the published URL if neither the run nor the environment names an endpoint.

    Without a Prefect server, or with a private one, the variable is not read: it could only be from an
    earlier private run.

    Args:
        settings: From the environment.
        asked: The endpoint in the run's parameters.

    Raises:
        UsageError: What is published is no URL.
    """
    if asked or settings.service_url or is_private() or not get_current_settings().api.url:
        return settings
    url = await published()
    try:
        checked(url, name=f"Prefect's variable {VARIABLE}")
    except UsageError as error:
        raise UsageError(
            f"{error}; correct it in the UI under Variables, or name a service with LIGHTONOCR_SERVICE_URL"
        ) from error
    return settings.model_copy(update={"service_url": url})

"""Creates on the Prefect server what runs need there. Idempotent: a resource that is up to date is left alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from google.auth.exceptions import GoogleAuthError
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect_gcp import GcpCredentials, GcsBucket

from pagemill.config.pool import PoolSettings
from pagemill.config.run import Settings
from pagemill.deployments.automations import automations
from pagemill.deployments.resource import Resource
from pagemill.deployments.variables import variables
from pagemill.deployments.work_pools import work_pools
from pagemill.domain.wording import counted
from pagemill.errors import UsageError
from pagemill.orchestration.server.shared import require_server
from pagemill.orchestration.slots.limit import DEFAULT_SLOTS, ensure_limit, read_limit


async def register_all(settings: Settings, pool: PoolSettings, *, slots: int | None = None) -> list[str]:
    """Create every resource, and update those that differ.

    Args:
        settings: Names the concurrency limit.
        pool: Describes the other resources.
        slots: Pages at the endpoint over all runs; None: unchanged, 8 for a new limit.

    Returns:
        One line for each resource.

    Raises:
        UsageError: No Prefect server is configured, it does not answer, or a block is missing.
    """
    url = await require_server()
    async with get_client() as client:
        return [f"{url}: {await resource.apply()}" for resource in await _resources(client, settings, pool, slots)]


async def differences(settings: Settings, pool: PoolSettings) -> tuple[list[str], bool]:
    """Compare every resource; return one line for each, and whether all are up to date.

    Raises:
        UsageError: No Prefect server is configured, it does not answer, or a block is missing.
    """
    url = await require_server()
    async with get_client() as client:
        resources = await _resources(client, settings, pool, None)
    return [f"{url}: {resource.line()}" for resource in resources], not any(r.difference for r in resources)


async def _resources(
    client: PrefectClient, settings: Settings, pool: PoolSettings, slots: int | None
) -> list[Resource]:
    return [
        await _limit(client, settings.concurrency_limit, slots),
        await _block_type(client),
        *await _blocks(client, pool),
        *await work_pools(client, pool),
        *await variables(client, pool),
        *await automations(client, pool),
    ]


async def _limit(client: PrefectClient, name: str, slots: int | None) -> Resource:
    found = await read_limit(client, name)
    wanted = slots or found or DEFAULT_SLOTS
    difference = "missing" if found is None else f"has {counted(found, 'slot')}" if found != wanted else ""
    return Resource(
        f"concurrency limit '{name}', {counted(wanted, 'slot')}",
        difference,
        partial(ensure_limit, client, name, wanted),
    )


async def _block_type(client: PrefectClient) -> Resource:
    slug = GcpCredentials.get_block_type_slug()
    known = {kind.slug for kind in await client.read_block_types()}
    difference = "" if slug in known else "missing"
    return Resource(f"block type '{slug}'", difference, GcpCredentials.aregister_type_and_schema)


async def _blocks(client: PrefectClient, pool: PoolSettings) -> list[Resource]:
    """The blocks that the settings ask for. They hold no key: the machine's own credentials are used."""
    blocks = []
    if pool.credentials_block:
        make = partial(GcpCredentials, project=pool.project or None)
        blocks.append(await _block(client, "gcp-credentials", pool.credentials_block, make))
    if pool.bucket_block:
        make = partial(GcsBucket, bucket=pool.bucket_name)
        blocks.append(await _block(client, "gcs-bucket", pool.bucket_block, make))
    return blocks


async def _block(
    client: PrefectClient, kind: str, name: str, make: Callable[[], GcpCredentials | GcsBucket]
) -> Resource:
    known = {found.slug for found in await client.read_block_types()}
    documents = await client.read_block_documents_by_type(block_type_slug=kind) if kind in known else []
    difference = "" if any(document.name == name for document in documents) else "missing"

    async def save() -> None:
        try:
            block = make()
        except GoogleAuthError as error:  # the constructor of a block looks for credentials
            raise UsageError(
                f"the block {kind}/{name} cannot be created here: {error}; type: gcloud auth application-default login"
            ) from error
        await block.asave(name, overwrite=True)

    return Resource(f"block '{kind}/{name}'", difference, save)

"""Creates on the Prefect server what runs need there. Idempotent: what is there as it should be is left alone."""

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
    """Create everything, and set what differs.

    Args:
        settings: Names the limit.
        pool: Describes the rest.
        slots: Pages at the endpoint over all runs; None: as it is, 8 where it is new.

    Returns:
        A line for each thing.

    Raises:
        UsageError: No Prefect server is configured, it does not answer, or a block is not there.
    """
    url = await require_server()
    async with get_client() as client:
        return [f"{url}: {await thing.ensured()}" for thing in await _things(client, settings, pool, slots)]


async def differences(settings: Settings, pool: PoolSettings) -> tuple[list[str], bool]:
    """Look at everything; return a line for each thing, and whether all is as it should be.

    Raises:
        UsageError: No Prefect server is configured, it does not answer, or a block is not there.
    """
    url = await require_server()
    async with get_client() as client:
        things = await _things(client, settings, pool, None)
    return [f"{url}: {thing.checked()}" for thing in things], not any(thing.differs for thing in things)


async def _things(client: PrefectClient, settings: Settings, pool: PoolSettings, slots: int | None) -> list[Resource]:
    return [
        await _limit(client, settings.concurrency_limit, slots),
        await _block_type(client),
        *await _blocks(client, pool),
        *await work_pools(client, pool),
        *await variables(client, pool),
        *await automations(client, pool),
    ]


async def _limit(client: PrefectClient, name: str, slots: int | None) -> Resource:
    held = await read_limit(client, name)
    wanted = slots or held or DEFAULT_SLOTS
    differs = "is not there" if held is None else f"has {counted(held, 'slot')}" if held != wanted else ""
    return Resource(
        f"concurrency limit '{name}', {counted(wanted, 'slot')}", differs, partial(ensure_limit, client, name, wanted)
    )


async def _block_type(client: PrefectClient) -> Resource:
    slug = GcpCredentials.get_block_type_slug()
    known = {kind.slug for kind in await client.read_block_types()}
    differs = "" if slug in known else "is not known"
    return Resource(f"block type '{slug}'", differs, GcpCredentials.aregister_type_and_schema)


async def _blocks(client: PrefectClient, pool: PoolSettings) -> list[Resource]:
    """The blocks that were asked for. They hold no key: the machine's own credentials are used."""
    things = []
    if pool.credentials_block:
        make = partial(GcpCredentials, project=pool.project or None)
        things.append(await _block(client, "gcp-credentials", pool.credentials_block, make))
    if pool.bucket_block:
        make = partial(GcsBucket, bucket=pool.bucket_name)
        things.append(await _block(client, "gcs-bucket", pool.bucket_block, make))
    return things


async def _block(
    client: PrefectClient, kind: str, name: str, make: Callable[[], GcpCredentials | GcsBucket]
) -> Resource:
    known = {found.slug for found in await client.read_block_types()}
    documents = await client.read_block_documents_by_type(block_type_slug=kind) if kind in known else []
    differs = "" if any(document.name == name for document in documents) else "is not there"

    async def save() -> None:
        try:
            block = make()
        except GoogleAuthError as error:  # a block looks for credentials when it is made
            raise UsageError(
                f"the block {kind}/{name} cannot be made here: {error}; type: gcloud auth application-default login"
            ) from error
        await block.asave(name, overwrite=True)

    return Resource(f"block '{kind}/{name}'", differs, save)

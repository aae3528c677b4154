"""Creates on the Prefect server what runs need there. Idempotent: what is there as it should be is left alone."""

from __future__ import annotations

from prefect import get_client
from prefect_gcp import GcpCredentials

from pagemill.settings import Settings
from tasks.limits import ensure_limit
from tasks.server import require_server


async def register_all(settings: Settings, *, slots: int | None = None) -> list[str]:
    """Create everything.

    Args:
        settings: Names what is to be created.
        slots: Pages at the endpoint over all runs; None: as it is, 8 where it is new.

    Returns:
        A line for each thing.

    Raises:
        UsageError: No Prefect server is configured, or it does not answer.
    """
    url = await require_server()
    async with get_client() as client:
        held, changed = await ensure_limit(client, settings.concurrency_limit, slots)
    await GcpCredentials.aregister_type_and_schema()
    state = "set" if changed else "was there"
    return [
        f"{url}: concurrency limit '{settings.concurrency_limit}', {held} slots: {state}",
        f"{url}: block type '{GcpCredentials.get_block_type_slug()}': known",
    ]

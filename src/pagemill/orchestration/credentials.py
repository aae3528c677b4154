"""Google credentials that are stored in Prefect, as a GcpCredentials block."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagemill.errors import UsageError

if TYPE_CHECKING:
    from prefect_gcp import GcpCredentials


async def google_key(block: str) -> dict[str, Any] | None:
    """Load the key of a service account from a block.

    Args:
        block: The name of the block; empty: use no block.

    Returns:
        The content of a credentials file; None for the machine's own (application-default) credentials.

    Raises:
        UsageError: The block does not exist, or it does not hold a key.
    """
    if not block:
        return None
    from prefect_gcp import GcpCredentials  # noqa: PLC0415 -- takes seconds

    try:
        return await _key_of(await GcpCredentials.aload(block))
    except (ValueError, RuntimeError, OSError) as error:  # no such block, no such key file, or no JSON in it
        raise UsageError(
            f"Prefect's GcpCredentials block '{block}' cannot be loaded: {error}; fix it in the UI under Blocks, or "
            "unset PAGEMILL_GCP_CREDENTIALS_BLOCK to use this machine's own credentials"
        ) from error


async def _key_of(credentials: GcpCredentials) -> dict[str, Any] | None:
    if credentials.service_account_info:
        key: dict[str, Any] = credentials.service_account_info.get_secret_value()
        return key
    if credentials.service_account_file:
        path = Path(credentials.service_account_file)
        from_file: dict[str, Any] = json.loads(await asyncio.to_thread(path.read_bytes))
        return from_file
    return None

"""Google credentials that an operator keeps in Prefect: a GcpCredentials block."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from pagemill.errors import UsageError


async def google_key(block: str) -> dict[str, Any] | None:
    """Load a service account's key from a block.

    Args:
        block: The block's name; empty: no block is used.

    Returns:
        A credentials file's content; None for the machine's own (application-default) credentials.

    Raises:
        UsageError: There is no such block, or what it holds is no key.
    """
    if not block:
        return None
    from prefect_gcp import GcpCredentials  # noqa: PLC0415 -- takes seconds

    try:
        found = await GcpCredentials.aload(block)
    except (ValueError, RuntimeError) as error:  # not there; there, but its key file is not, or is no JSON
        raise UsageError(
            f"Prefect's GcpCredentials block '{block}' cannot be loaded: {error}; mend it in the UI under Blocks, or "
            "unset PAGEMILL_GCP_CREDENTIALS_BLOCK to use this machine's own credentials"
        ) from error
    if found.service_account_info:
        key: dict[str, Any] = found.service_account_info.get_secret_value()
        return key
    if found.service_account_file:
        of_file: dict[str, Any] = json.loads(await asyncio.to_thread(Path(found.service_account_file).read_bytes))
        return of_file
    return None

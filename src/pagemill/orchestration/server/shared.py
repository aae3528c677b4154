"""The Prefect server that runs share, as opposed to a private one."""

from __future__ import annotations

from prefect import get_client
from prefect.settings import get_current_settings

from pagemill.errors import UsageError


async def require_server() -> str:
    """Return the URL of the configured Prefect server, after a health check.

    Raises:
        UsageError: None is configured, or it does not answer.
    """
    url = get_current_settings().api.url
    if not url:
        raise UsageError(
            "no Prefect server is configured; start one with `make server` or `prefect server start`, then type: "
            "export PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    async with get_client() as client:
        problem = await client.api_healthcheck()
    if problem:
        raise UsageError(f"the Prefect server {url} does not answer: {problem}; start it with: prefect server start")
    return str(url)

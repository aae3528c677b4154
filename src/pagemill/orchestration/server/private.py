"""The Prefect API of a run or a deployment: the configured server, or a private one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from prefect.settings import PREFECT_API_URL, temporary_settings

from pagemill.orchestration.server.process import PrivateServer
from pagemill.orchestration.server.shared import check_server, configured_url


@contextlib.asynccontextmanager
async def prefect_api(url: str = "") -> AsyncIterator[None]:
    """Provide a Prefect API: the configured server, or a private one.

    Args:
        url: Of a private server that has been started already.

    Raises:
        UsageError: The configured server does not answer, or the private one does not start.
    """
    if not url and configured_url():
        await check_server()
        yield
        return
    with server_at(url or await PrivateServer().url()):
        yield  # the server goes on after the context: Prefect sends its last events when the process ends


def server_at(url: str) -> AbstractContextManager[object]:
    """Let what happens in the context use the server at this URL."""
    return temporary_settings({PREFECT_API_URL: url})

"""A Prefect server of the test's own, a client of it, and somebody at a command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient

from tests.deployments.operator import Operator
from tests.fakes.prefect_server import PrefectServer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PrefectServer]:
    """A server with nothing on it."""
    async with PrefectServer(tmp_path / "server") as started:
        yield started


@pytest.fixture
async def client(server: PrefectServer) -> AsyncIterator[PrefectClient]:
    """Reads back what is on it."""
    async with PrefectClient(server.url) as opened:
        yield opened


@pytest.fixture
def operator(server: PrefectServer, tmp_path: Path) -> Operator:
    """Registers and deploys there."""
    return Operator(server.url, tmp_path / "home")

"""A Prefect server with nothing on it, a client of it, and somebody at a command line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient

from tests.conftest import MadeOnce
from tests.deployments.operator import Operator
from tests.fakes.databases import require_databases
from tests.fakes.lasting_server import make_postgres
from tests.fakes.prefect_server import PrefectServer


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory, prefect_database: Path) -> Iterator[PrefectServer]:
    """One that all tests of a process use in turns."""
    server = PrefectServer(tmp_path_factory.mktemp("server"), database=prefect_database)
    asyncio.run(server.start())
    yield server
    server.kill()


@pytest.fixture
async def server(shared_server: PrefectServer) -> AsyncIterator[PrefectServer]:
    """A server with nothing on it: what a test leaves there is deleted."""
    yield shared_server
    async with PrefectClient(shared_server.url) as client:
        await _empty(client)


@pytest.fixture(scope="session")
def prefect_postgres(made_once: MadeOnce) -> Path:
    """A PostgreSQL's folder with a Prefect server's tables, of which a `LastingServer` begins with a copy."""
    require_databases()
    return made_once("postgres", make_postgres)


@pytest.fixture
async def client(server: PrefectServer) -> AsyncIterator[PrefectClient]:
    """Reads back what is on it."""
    async with PrefectClient(server.url) as opened:
        yield opened


@pytest.fixture
def operator(server: PrefectServer, tmp_path: Path) -> Operator:
    """Registers and deploys there."""
    return Operator(server.url, tmp_path / "home")


async def _empty(client: PrefectClient) -> None:
    """Delete all that tests put on a server: automations first, which would act on what happens to the rest."""
    for automation in await client.read_automations():
        await client.delete_automation(automation.id)
    for run in await client.read_flow_runs():
        await client.delete_flow_run(run.id)
    for deployment in await client.read_deployments():
        await client.delete_deployment(deployment.id)
    for flow in await client.read_flows():
        await client.delete_flow(flow.id)
    for pool in await client.read_work_pools():
        await client.delete_work_pool(pool.name)
    for variable in await client.read_variables():
        await client.delete_variable_by_name(variable.name)
    for limit in await client.read_global_concurrency_limits(limit=100, offset=0):
        await client.delete_global_concurrency_limit_by_name(limit.name)
    for block in await client.read_block_documents():
        await client.delete_block_document(block.id)

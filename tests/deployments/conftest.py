"""Prefect servers with nothing on them, a client, and somebody at a command line.

They start once in a process of the suite, and what a test leaves there is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from prefect.client.orchestration import PrefectClient

from tests.conftest import MadeOnce
from tests.deployments.operator import Operator
from tests.fakes.databases import require_databases
from tests.fakes.lasting_server import AUTH_STRING, LastingServer, lasting_settings, make_postgres
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
def shared_lasting_server(tmp_path_factory: pytest.TempPathFactory, prefect_database: Path) -> Iterator[PrefectServer]:
    """One with the settings of lasting.env that all tests of a process use in turns."""
    server = PrefectServer(tmp_path_factory.mktemp("lasting"), lasting_settings(), database=prefect_database)
    asyncio.run(server.start())
    yield server
    server.kill()


@pytest.fixture
async def lasting_server(shared_lasting_server: PrefectServer) -> AsyncIterator[PrefectServer]:
    """What `make server` starts."""
    yield shared_lasting_server
    async with PrefectClient(shared_lasting_server.url) as client:
        await _empty(client)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_compose_server(
    tmp_path_factory: pytest.TempPathFactory, made_once: MadeOnce
) -> AsyncIterator[LastingServer]:
    """One of several processes, on PostgreSQL and Redis, that all tests of a process use in turns."""
    require_databases()
    postgres = await asyncio.to_thread(made_once, "postgres", make_postgres)
    async with LastingServer(tmp_path_factory.mktemp("compose"), postgres) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def compose_server(shared_compose_server: LastingServer) -> AsyncIterator[LastingServer]:
    """What compose.yaml starts. Its proxy answers in the session's event loop: the tests that use it run there, too."""
    yield shared_compose_server
    async with PrefectClient(shared_compose_server.url, auth_string=AUTH_STRING) as client:
        await _empty(client)


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

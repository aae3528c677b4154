"""A real Prefect server with its UI, a real worker, and a real browser."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from prefect.client.orchestration import PrefectClient

from pagemill.orchestration.service_url import VARIABLE
from tests.deployments.operator import Operator
from tests.fakes.ocr_process import Endpoint, running_endpoint
from tests.fakes.prefect_server import PrefectServer

_PAGE_SECONDS = 0.5  # so that a run can be stopped while it is on
_STEP_MILLISECONDS = 120_000.0  # on a busy machine


@dataclass(frozen=True)
class Browser:
    """A page in a browser, and where the UI is."""

    page: Page
    ui_url: str
    pictures: Path

    async def opens(self, path: str) -> None:
        """Go somewhere in the UI; its websockets never come to rest, so nobody waits for that."""
        await self.page.goto(f"{self.ui_url}{path}", wait_until="domcontentloaded")

    async def keeps(self, name: str) -> None:
        """Keep a picture of what is shown."""
        await self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        assert not os.environ.get("CI"), "there is no Chromium; .ci/run installs one"
        pytest.skip("there is no Chromium here; on Debian: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory, prefect_database: Path) -> Iterator[PrefectServer]:
    """A server with its UI and all deployments."""
    folder = tmp_path_factory.mktemp("server")
    server = PrefectServer(folder / "server", database=prefect_database, ui=True)
    asyncio.run(server.start())
    asyncio.run(Operator(server.url, folder / "home").deploys())
    yield server
    server.kill()


@pytest.fixture
async def server(shared_server: PrefectServer) -> AsyncIterator[PrefectServer]:
    """It, without a run and without a service's URL."""
    yield shared_server
    async with PrefectClient(shared_server.url) as client:
        if await client.read_variable_by_name(VARIABLE):
            await client.delete_variable_by_name(VARIABLE)
        for run in await client.read_flow_runs():
            await client.delete_flow_run(run.id)


@pytest.fixture
async def client(server: PrefectServer) -> AsyncIterator[PrefectClient]:
    """Looks at the server beside the browser."""
    async with PrefectClient(server.url) as opened:
        yield opened


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An OCR endpoint that takes a while for a page."""
    with running_endpoint(_PAGE_SECONDS) as started:
        yield started


@pytest.fixture
async def worker(server: PrefectServer, endpoint: Endpoint, tmp_path: Path) -> AsyncIterator[None]:
    """A worker of its pool."""
    async with Operator(server.url, tmp_path / "home").working({"LIGHTONOCR_SERVICE_URL": endpoint.url}):
        yield


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures are kept: in .cache, or where PICTURES says."""
    folder = Path(os.environ.get("PICTURES", ".cache/pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
async def browser(server: PrefectServer, chromium: str, pictures: Path) -> AsyncIterator[Browser]:
    """A page that asks nobody but the server."""
    async with async_playwright() as playwright:
        program = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await program.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(_STEP_MILLISECONDS)
        expect.set_options(timeout=_STEP_MILLISECONDS)
        await page.route(lambda url: not url.startswith("http://127.0.0.1"), lambda route: route.abort())
        yield Browser(page, server.ui_url, pictures)
        await program.close()

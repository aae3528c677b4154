"""A deployment that somebody has to approve, approved in the Prefect UI."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import expect
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.browser.conftest import Browser
from tests.fakes.google_cloud.cloud import GoogleCloud
from tests.fakes.prefect_server import PrefectServer
from tests.flows.deployer import Deployer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]


@pytest.fixture
def deployer(server: PrefectServer, cloud: GoogleCloud) -> Iterator[Deployer]:
    with temporary_settings({PREFECT_API_URL: server.url}):
        yield Deployer(cloud)


async def test_a_paused_deployment_is_approved_and_then_serves(
    browser: Browser, client: PrefectClient, deployer: Deployer
) -> None:
    deploying = asyncio.create_task(deployer.deploy(approval=True))
    async with asyncio.timeout(120):
        while not (paused := [run for run in await client.read_flow_runs() if run.state and run.state.is_paused()]):  # noqa: ASYNC110 -- of a server
            await asyncio.sleep(0.2)
    assert not deployer.cloud.run.services

    await browser.opens(f"/runs/flow-run/{paused[0].id}")
    await browser.page.get_by_role("button", name="Open menu").first.click()
    await browser.page.get_by_role("menuitem", name="Resume").click()
    dialog = browser.page.get_by_role("dialog")
    await expect(dialog.get_by_text("@sha256:").first).to_be_visible()
    await browser.keeps("approval")
    await dialog.get_by_role("switch").click()
    await dialog.get_by_role("button", name="Resume").click()
    record = await deploying

    assert deployer.serving == record.revision

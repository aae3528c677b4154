"""Deployments to a project on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pagemill.orchestration import service_url
from tests.fakes.google_cloud.cloud import GoogleCloud
from tests.flows.deployer import Deployer


@pytest.fixture
async def deployer(prefect_api_url: str, cloud: GoogleCloud) -> AsyncIterator[Deployer]:
    """Runs deployments on a Prefect server where no URL is published."""
    assert prefect_api_url
    yield Deployer(cloud)
    await service_url.withdraw(await service_url.published())

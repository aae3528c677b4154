"""Deployments to a project on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from pagemill.domain.service.canary import CanaryPage
from pagemill.orchestration import service_url
from pagemill.orchestration.deploy import wiring
from pagemill.pdf.canaries import canary_pages
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.fakes.google_cloud.cloud import GoogleCloud
from tests.flows.deployer import Deployer

_rendered: list[CanaryPage] = []


async def _rendered_once(rasterizer: PdfiumRasterizer) -> Sequence[CanaryPage]:
    if not _rendered:
        _rendered.extend(await canary_pages(rasterizer))
    return _rendered


@pytest.fixture(autouse=True)
def canaries_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first deployment of a process renders the canary pages, the others use them: they are always the same."""
    monkeypatch.setattr(wiring, "canary_pages", _rendered_once)


@pytest.fixture
async def deployer(prefect_api_url: str, cloud: GoogleCloud) -> AsyncIterator[Deployer]:
    """Runs deployments on a Prefect server where no URL is published."""
    assert prefect_api_url
    yield Deployer(cloud)
    await service_url.withdraw(await service_url.published())

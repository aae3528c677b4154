from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pagemill.config.run import read_settings
from pagemill.flows.ocr_batch import ocr_batch
from pagemill.orchestration import service_url
from pagemill.wiring.parameters import OcrBatchParameters
from tests.fakes.ocr_endpoint import FakeEndpoint

pytestmark = pytest.mark.flow


@pytest.fixture
async def nothing_published(prefect_api_url: str) -> AsyncIterator[None]:
    assert prefect_api_url
    yield
    await service_url.withdraw(await service_url.published())


@pytest.mark.usefixtures("nothing_published")
async def test_a_batch_uses_the_published_service(samples: Path, tmp_path: Path) -> None:
    async with FakeEndpoint() as endpoint:
        await service_url.publish(endpoint.url)
        parameters = OcrBatchParameters(source=str(samples / "invoice.pdf"), destination=str(tmp_path))
        state = await ocr_batch(parameters, return_state=True)

    assert state.is_completed()
    assert endpoint.record.requests == 1


@pytest.mark.usefixtures("nothing_published")
async def test_an_endpoint_of_the_run_or_of_the_environment_has_precedence_over_the_published_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await service_url.publish("https://published.example")

    assert (await service_url.located(read_settings())).service_url == "https://published.example"
    assert (await service_url.located(read_settings(), "https://named.example")).service_url == ""
    monkeypatch.setenv("LIGHTONOCR_SERVICE_URL", "https://environment.example")
    assert (await service_url.located(read_settings())).service_url == "https://environment.example"


@pytest.mark.usefixtures("nothing_published")
async def test_only_the_url_of_the_deleted_service_is_withdrawn() -> None:
    await service_url.publish("https://new.example")

    assert not await service_url.withdraw("https://old.example")
    assert await service_url.published() == "https://new.example"
    assert await service_url.withdraw("https://new.example")
    assert await service_url.published() == ""

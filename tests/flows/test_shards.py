"""What a run with shards requires, and its errors if that is missing. Shards on real workers: tests/deployments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pagemill.batch.shards import write_plan
from pagemill.domain.pages.sharding import ShardPlan
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import UsageError
from pagemill.flows.ocr_batch import ocr_batch
from pagemill.flows.ocr_shard import ocr_shard
from pagemill.storage.local_store import LocalStore
from pagemill.wiring.parameters import OcrBatchParameters
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.pdfs import numbered_pdf

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api_url")]


@pytest.fixture
def parameters(tmp_path: Path) -> OcrBatchParameters:
    """The parameters of a run with two shards and one document."""
    numbered_pdf(tmp_path / "in/a.pdf", 3)
    asked = {"source": str(tmp_path / "in"), "destination": str(tmp_path / "out"), "shards": 2}
    return OcrBatchParameters.model_validate(asked)


async def test_shards_without_a_shared_endpoint_are_rejected(parameters: OcrBatchParameters) -> None:
    with pytest.raises(UsageError, match=r"share one OCR service.*--endpoint"):
        await ocr_batch(parameters.model_copy(update={"endpoint": "local"}))


async def test_a_missing_deployment_for_shards_is_an_error_that_names_the_command_which_creates_it(
    parameters: OcrBatchParameters,
) -> None:
    async with FakeEndpoint() as endpoint:
        asked = parameters.model_copy(update={"endpoint": endpoint.url})
        state: Any = await ocr_batch(asked, return_state=True)
        summary = await state.aresult(raise_on_failure=False)

    assert state.is_failed()
    assert isinstance(summary, RunSummary)
    assert isinstance(summary.stopped_by, UsageError)
    assert "no deployment 'ocr-shard/worker'" in str(summary.stopped_by)
    assert "prefect --no-prompt deploy --all" in str(summary.stopped_by)
    assert endpoint.record.requests == 0


async def test_a_shard_with_other_settings_than_its_run_reads_nothing(
    parameters: OcrBatchParameters, tmp_path: Path
) -> None:
    write_plan(LocalStore(tmp_path / "out"), "a-run", 1, ShardPlan("another", {}))

    async with FakeEndpoint() as endpoint:
        asked = parameters.model_copy(update={"endpoint": endpoint.url})
        with pytest.raises(UsageError, match=r"recipe .*, not another.*same PAGEMILL_ variables"):
            await ocr_shard(asked, run_id="a-run", shard=1)

    assert endpoint.record.requests == 0

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State

from pagemill.batch.progress import Progress
from pagemill.domain.pages.summary import RunSummary
from pagemill.flows.ocr_batch import ocr_batch
from pagemill.orchestration.parameters import OcrBatchParameters
from pagemill.orchestration.wiring import watching
from tests.fakes.ocr_endpoint import FakeEndpoint, Request, failing
from tests.pdfs import numbered_pdf

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api_url")]


async def _run(parameters: OcrBatchParameters) -> tuple[State[RunSummary], RunSummary]:
    state: Any = await ocr_batch(parameters, return_state=True)
    summary = await state.aresult(raise_on_failure=False)
    assert isinstance(summary, RunSummary)
    return state, summary


def _at(link: str) -> Path:
    return Path(unquote(link.removeprefix("file://")))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    numbered_pdf(tmp_path / "in/a.pdf", 3)
    numbered_pdf(tmp_path / "in/b.pdf", 2)
    return tmp_path / "in"


async def test_a_run_reads_real_pdfs_through_a_task_for_each_document(source: Path, tmp_path: Path) -> None:
    progress = Progress()
    async with FakeEndpoint() as endpoint:
        with watching(progress):
            state, summary = await _run(
                OcrBatchParameters(source=str(source), destination=str(tmp_path / "out"), endpoint=endpoint.url)
            )

    assert state.is_completed()
    assert state.name == "Completed"
    assert summary.pages == progress.pages_done == 5
    assert endpoint.record.requests == 5
    assert (tmp_path / "out/a.pdf/document.md").read_text().count("# Page ") == 3

    async with get_client() as client:
        flow_run = await client.read_flow_run(state.state_details.flow_run_id)  # type: ignore[arg-type]
        artifacts = await client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]))
        )
    assert flow_run.name == f"ocr {source}"
    found = {artifact.key: artifact for artifact in artifacts}
    assert set(found) == {"ocr-progress", "ocr-documents", "ocr-summary"}
    rows = json.loads(str(found["ocr-documents"].data))
    assert _at(rows[0]["text"]).read_text() == (tmp_path / "out/a.pdf/document.md").read_text()
    (link,) = re.findall(r"\((file://[^)]*)\)", str(found["ocr-summary"].data))
    assert json.loads(_at(link).read_text())["pages"] == 5


async def test_failed_pages_are_named_in_a_run_that_completes(source: Path, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        return failing(400, "cannot identify image") if request.index == 1 else None

    async with FakeEndpoint(answer) as endpoint:
        state, summary = await _run(
            OcrBatchParameters(source=str(source), destination=str(tmp_path / "out"), endpoint=endpoint.url)
        )

    assert state.is_completed()
    assert state.name == "CompletedWithFailures"
    assert (state.message or "").endswith(": 1 page failed.")
    assert not summary.complete


async def test_a_run_that_cannot_read_its_source_fails_and_says_why(tmp_path: Path) -> None:
    state, summary = await _run(
        OcrBatchParameters(source=str(tmp_path / "nothing"), destination=str(tmp_path / "out"), endpoint="local")
    )

    assert state.is_failed()
    assert "no such file or folder" in (state.message or "")
    assert summary.pages == 0

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State

from pagemill.domain.pages.summary import RunSummary
from pagemill.flows.ocr_batch import ocr_batch
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.watching import RunWatch, watching
from tests.fakes.ocr_endpoint import HANG, FakeEndpoint, Request, failing
from tests.pdfs import numbered_pdf

pytestmark = [
    *(pytest.mark.flow, pytest.mark.usefixtures("prefect_api_url")),
    # What Prefect had open when a run was cancelled in the middle.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <function _SelectorTransport.__del__:pytest.PytestUnraisableExceptionWarning"
    ),
]


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
    watch = RunWatch()
    async with FakeEndpoint() as endpoint:
        with watching(watch):
            state, summary = await _run(
                OcrBatchParameters(source=str(source), destination=str(tmp_path / "out"), endpoint=endpoint.url)
            )

    assert state.is_completed()
    assert state.name == "Completed"
    assert summary.pages == watch.progress.pages_done == 5
    assert watch.summary == summary
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


async def test_an_interrupted_run_gives_up_the_pages_in_flight_and_is_cancelled_in_prefect(
    source: Path, tmp_path: Path
) -> None:
    watch, arrived = RunWatch(), asyncio.Event()

    def hang(_: Request) -> Any:
        arrived.set()
        return HANG

    async with FakeEndpoint(hang) as endpoint:
        asked = OcrBatchParameters(source=str(source), destination=str(tmp_path / "out"), endpoint=endpoint.url)
        with watching(watch):
            run = asyncio.create_task(_state(asked))
            await arrived.wait()
            watch.interrupt()
            state = await run

    assert state.is_cancelled()
    assert "finished pages are kept" in (state.message or "")
    assert watch.summary is None
    async with get_client() as client:
        flow_run = await client.read_flow_run(state.state_details.flow_run_id)  # type: ignore[arg-type]
    assert flow_run.state_name == "Cancelled"


async def test_a_run_that_is_interrupted_before_it_reads_sends_nothing_and_is_cancelled(
    source: Path, tmp_path: Path
) -> None:
    async with FakeEndpoint() as endpoint:
        asked = OcrBatchParameters(source=str(source), destination=str(tmp_path / "out"), endpoint=endpoint.url)
        with watching(RunWatch(interrupted=True)):
            state = await _state(asked)

    assert state.is_cancelled()
    assert not endpoint.record.requests


async def test_a_run_that_somebody_else_cancels_is_not_taken_for_an_interrupted_one(
    source: Path, tmp_path: Path
) -> None:
    arrived = asyncio.Event()

    def hang(_: Request) -> Any:
        arrived.set()
        return HANG

    async with FakeEndpoint(hang) as endpoint:
        asked = OcrBatchParameters(source=str(source), destination=str(tmp_path / "out"), endpoint=endpoint.url)
        run = asyncio.create_task(_state(asked))
        await arrived.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run


async def _state(parameters: OcrBatchParameters) -> State[RunSummary]:
    state: State[RunSummary] = await ocr_batch(parameters, return_state=True)  # type: ignore[assignment]
    return state


async def test_a_run_with_a_share_has_no_more_pages_in_flight_than_that(tmp_path: Path) -> None:
    numbered_pdf(tmp_path / "in/a.pdf", 12)

    async with FakeEndpoint() as endpoint:
        asked = OcrBatchParameters(
            source=str(tmp_path / "in"), destination=str(tmp_path / "out"), endpoint=endpoint.url, share=2
        )
        _, summary = await _run(asked)

    assert summary.pages == 12
    assert endpoint.record.most_in_flight <= 2

"""The flow on Google Cloud: PDFs and results in buckets, a private endpoint, a shared Prefect server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.compute_engine import _metadata
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, LogFilter, LogFilterFlowRunId
from prefect_gcp import GcpCredentials

from pagemill.config.pool import read_pool_settings
from pagemill.config.run import read_settings
from pagemill.deployments.register import register_all
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import UsageError
from pagemill.flows.ocr_batch import ocr_batch
from pagemill.orchestration.credentials import google_key
from pagemill.wiring.parameters import OcrBatchParameters
from tests.fakes.gcs import FakeGcs
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.pdfs import numbered_pdf

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api_url")]


@pytest.fixture
def signer() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        yield server


@pytest.fixture
async def door(signer: MetadataServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[IamProxy]:
    async with FakeEndpoint() as endpoint, IamProxy(endpoint.url, signer, tmp_path) as door:
        monkeypatch.setenv("SSL_CERT_FILE", str(door.ca_file))
        monkeypatch.setenv("LIGHTONOCR_SERVICE_URL", door.url)
        monkeypatch.setenv("PAGEMILL_IDENTITY_TOKENS_TO", door.url)
        yield door


@pytest.fixture
def buckets(google: FakeGcs, tmp_path: Path) -> FakeGcs:
    for name in ("in", "out"):
        google.create_bucket(name)
    for number in range(3):
        google.put("in", f"scans/{number}.pdf", numbered_pdf(tmp_path / f"{number}.pdf", 2 + number).read_bytes())
    return google


async def _run() -> tuple[RunSummary, Any]:
    parameters = OcrBatchParameters(source="gs://in/scans", destination="gs://out/text")
    state: Any = await ocr_batch(parameters, return_state=True)
    summary = await state.aresult(raise_on_failure=False)
    assert isinstance(summary, RunSummary), summary
    return summary, state.state_details.flow_run_id


async def _stored(flow_run: Any) -> str:
    """Everything that the Prefect server stores about a run."""
    async with get_client() as client:
        artifacts = await client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run]))
        )
        logs = await client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run])))
        run = await client.read_flow_run(flow_run)
    return "\n".join(item.model_dump_json() for item in [*artifacts, *logs, run])


async def test_a_run_on_google_cloud_needs_no_key_and_reveals_no_token(
    buckets: FakeGcs, signer: MetadataServer, door: IamProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", signer.host)
    monkeypatch.setenv("GCE_METADATA_IP", signer.host)
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", signer.host)

    first, flow_run = await _run()
    second, _ = await _run()

    assert (first.documents, first.pages, first.requests) == (3, 9, 9)
    assert first.complete
    assert (second.requests, second.reused) == (0, 9)
    assert (buckets.get("out", "text/2.pdf/document.md") or b"").count(b"<!-- page ") == 4
    (token,) = set(door.tokens)
    assert set(door.outcomes) == {200}
    assert token.split(".")[1] not in await _stored(flow_run)


@pytest.mark.usefixtures("buckets")
async def test_a_block_in_prefect_holds_the_key_for_buckets_and_endpoint(
    signer: MetadataServer, door: IamProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register_all(read_settings(), read_pool_settings())
    await GcpCredentials(service_account_info=signer.service_account_key()).save("for-pagemill")
    monkeypatch.setenv("PAGEMILL_GCP_CREDENTIALS_BLOCK", "for-pagemill")

    summary, flow_run = await _run()

    assert summary.complete
    assert signer.requests["/token"] >= 2  # an access token for the buckets, an identity token for the endpoint
    assert door.outcomes[200] == 9 + 2
    assert "PRIVATE KEY" not in await _stored(flow_run)


async def test_a_block_may_name_a_key_file(signer: MetadataServer, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps(signer.service_account_key()))
    await GcpCredentials(service_account_file=str(tmp_path / "key.json")).save("with-a-file")

    assert await google_key("with-a-file") == signer.service_account_key()
    (tmp_path / "key.json").unlink()
    with pytest.raises(UsageError, match="block 'with-a-file' cannot be loaded"):
        await google_key("with-a-file")


async def test_a_missing_block_is_named() -> None:
    with pytest.raises(UsageError, match=r"block 'nowhere' cannot be loaded: .*PAGEMILL_GCP_CREDENTIALS_BLOCK"):
        await google_key("nowhere")

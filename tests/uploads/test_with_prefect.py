"""The watcher with a real Prefect server: what it starts, and that a thousand uploads become few runs."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator

import httpx
import pytest
from google.cloud import storage
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun

from pagemill.domain.pages.model import Document
from pagemill.errors import UsageError
from pagemill.flows.ocr_batch import ocr_batch
from pagemill.orchestration.uploads.runs import ServerPatience, UploadRuns
from pagemill.storage.gcs.client import parse_location
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.store import GcsStore
from tests.fakes.gcs import FakeGcs
from tests.fakes.pubsub import FakePubSub
from tests.uploads.conftest import LONG, Fate, Killed, Uploads

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api_url")]

_numbers = itertools.count()


@pytest.fixture
async def client(prefect_api_url: str) -> AsyncIterator[PrefectClient]:
    async with PrefectClient(prefect_api_url) as opened:
        yield opened


@pytest.fixture
async def deployment(client: PrefectClient) -> str:
    """A deployment of the main flow, with a parameter of its own."""
    name = f"on-upload-{next(_numbers)}"
    await client.create_deployment(
        await client.create_flow(ocr_batch),
        name,
        parameters={"parameters": {"source": "gs://not/set", "destination": "gs://not/set", "mode": "text"}},
    )
    return f"ocr-batch/{name}"


async def _runs(client: PrefectClient, deployment: str) -> list[FlowRun]:
    found = await client.read_deployment_by_name(deployment)
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[found.id]))
    return await client.read_flow_runs(deployment_filter=chosen)


async def test_a_run_is_started_once_for_a_key_and_keeps_the_deployments_own_parameters(
    client: PrefectClient, deployment: str
) -> None:
    runs = UploadRuns(client, deployment=deployment, destination="gs://text")

    names = [await runs.start("gs://text/list.txt", f"uploads/{deployment}") for _ in range(2)]

    (run,) = await _runs(client, deployment)
    assert names == [run.name, run.name]
    assert run.parameters == {
        "parameters": {"source": "gs://text/list.txt", "destination": "gs://text", "mode": "text"}
    }


async def test_a_deployment_that_is_not_there_says_what_to_type(client: PrefectClient) -> None:
    runs = UploadRuns(client, deployment="ocr-batch/missing", destination="gs://text")

    with pytest.raises(UsageError, match=r"'ocr-batch/missing'.* prefect --no-prompt deploy --all"):
        await runs.start("gs://text/list.txt", "uploads/1")


async def test_a_deployment_that_does_not_take_the_parameters_is_not_asked_again(client: PrefectClient) -> None:
    name = f"on-upload-{next(_numbers)}"
    schema = {"type": "object", "properties": {"parameters": {"type": "integer"}}}
    flow = await client.create_flow(ocr_batch)
    await client.create_deployment(flow, name, parameter_openapi_schema=schema, enforce_parameter_schema=True)

    with pytest.raises(UsageError, match=f"'ocr-batch/{name}' does not start"):
        await UploadRuns(client, deployment=f"ocr-batch/{name}", destination="out").start("list.txt", "uploads/1")


async def test_a_server_that_is_away_for_a_moment_costs_nothing_and_one_that_stays_away_ends_the_watcher(
    client: PrefectClient, deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, away, said = client.create_flow_run_from_deployment, [True, True], list[str]()

    async def sometimes(*arguments: object, **options: object) -> FlowRun:
        if away and away.pop():
            raise httpx.ConnectError("connection refused")
        return await created(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(client, "create_flow_run_from_deployment", sometimes)
    patient = ServerPatience(pause=0.0)
    runs = UploadRuns(client, deployment=deployment, destination="out", announce=said.append, patience=patient)
    assert await runs.start("list.txt", f"uploads/{deployment}")
    assert said == ["waiting for the Prefect server: connection refused"] * 2

    away += [True]
    impatient = ServerPatience(pause=0.0, unanswered=-1.0)
    with pytest.raises(UsageError, match="the uploads are delivered again"):
        await UploadRuns(client, deployment=deployment, destination="out", patience=impatient).start("list.txt", "x")


@pytest.mark.slow
async def test_1000_uploads_with_duplicates_and_two_kills_become_few_runs_that_read_each_object_once(
    client: PrefectClient, deployment: str, google: FakeGcs, gcs_client: storage.Client
) -> None:
    chance, kills = random.Random(3), 0  # noqa: S311 -- no secret
    for bucket in ("scans", "text"):
        google.create_bucket(bucket)
    with FakePubSub(seed=3, most_deliveries=100) as pubsub:
        uploads = Uploads(
            pubsub,
            store=GcsStore(gcs_client, parse_location("gs://text")),
            starter=UploadRuns(client, deployment=deployment, destination="gs://text"),
        )
        for burst in range(5):
            names = [f"{number:04}.pdf" for number in range(200 * burst, 200 * burst + 200)]
            replaced = chance.sample(range(200 * burst + 200), 10)
            for name in [*names, *(f"{number:04}.pdf" for number in replaced)]:
                generation = google.put("scans", name, b"1")
                for _ in range(chance.choice((1, 1, 1, 2, 3))):
                    pubsub.uploaded("scans", name, generation)
            try:
                await uploads.watched(documents=100, fate=_fate(burst))
            except* Killed:
                kills += 1
                pubsub.advance(LONG.deadline + 1)
            pubsub.deliver_again(0.2)
        await uploads.watched("settled", documents=100, seconds=0.01)

    runs = await _runs(client, deployment)
    read = await asyncio.to_thread(_documents, gcs_client, [run.parameters["parameters"]["source"] for run in runs])
    assert sorted(read) == sorted(
        (f"scans/{name}", str(kept.generation)) for name, kept in google.buckets["scans"].items()
    )
    assert len(read) == 1000
    assert len(runs) <= 20
    assert kills == 2
    assert pubsub.settled
    assert not pubsub.dead_letters


def _fate(burst: int) -> Fate:
    """The second watcher dies between its first list and its run, the third one between its first run and messages."""
    return {1: Fate(2, "write"), 2: Fate(2, "start")}.get(burst, Fate())


def _documents(client: storage.Client, lists: list[str]) -> list[tuple[str, str]]:
    """What runs would read of these lists: every document with its version. No line may be wrong."""
    entries = [
        entry
        for name in lists
        for entry in GcsListedSource(client, parse_location(name), largest_bytes=1000).documents()
    ]
    assert not any(entry.failed for entry in entries if not isinstance(entry, Document))
    return [(entry.key, entry.version) for entry in entries if isinstance(entry, Document)]

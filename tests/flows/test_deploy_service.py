"""The deploy flow, end to end: real clients, gRPC, TLS and identity tokens, against a project on loopback."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from typer.testing import CliRunner

from pagemill.cli.main import app
from pagemill.domain.service.deployment import Outcome
from pagemill.orchestration import service_url
from pagemill.orchestration.deploy import wiring as deploy_wiring
from pagemill.orchestration.deploy.parameters import Action
from tests.fakes.google_cloud.builds import Build, Ending
from tests.fakes.google_cloud.vllm import Server, random_weights
from tests.flows.deployer import Deployer

pytestmark = pytest.mark.flow


async def test_the_first_deployment_builds_deploys_verifies_and_publishes(deployer: Deployer) -> None:
    record = await deployer.deploy()

    assert record.outcome is Outcome.DEPLOYED
    assert record.built
    assert await service_url.published() == record.url == deployer.cloud.run.services[deployer.cloud.service].uri
    assert deployer.serving == record.revision
    assert len(record.canaries) == 8
    assert min(result.word_f1 for result in record.canaries) > 0.9


async def test_a_second_deployment_without_changes_only_verifies_the_revision_that_serves(deployer: Deployer) -> None:
    first = await deployer.deploy()
    deployer.cloud.monitoring.counts[first.revision] = [1]
    again = await deployer.deploy(wait_for_idle=True)  # for nothing: no other revision starts

    assert deployer.cloud.monitoring.questions == 0
    assert again.outcome is Outcome.UNCHANGED
    assert again.revision == first.revision
    assert len(again.canaries) == 8
    assert len(deployer.cloud.builds.builds) == len(deployer.cloud.run.revisions) == 1


async def test_other_flags_create_a_revision_without_a_build(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await deployer.deploy()
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    second = await deployer.deploy()

    assert [change.path for change in second.changes] == ["template.containers[0].args"]
    assert second.image == first.image
    assert deployer.serving == second.revision != first.revision
    assert len(deployer.cloud.builds.builds) == 1


async def test_a_changed_source_is_built_and_deployed_by_its_own_digest(
    deployer: Deployer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await deployer.deploy()
    folder = Path(shutil.copytree(deploy_wiring.BUILD_FOLDER, tmp_path / "source"))
    (folder / "Dockerfile").write_text((folder / "Dockerfile").read_text() + "# another comment\n")
    monkeypatch.setattr(deploy_wiring, "BUILD_FOLDER", folder)
    second = await deployer.deploy()

    assert second.built
    assert second.image.partition("@")[0] == first.image.partition("@")[0]
    assert second.image != first.image
    assert deployer.cloud.run.services[deployer.cloud.service].template.containers[0].image == second.image
    assert deployer.serving == second.revision


async def test_no_request_goes_to_a_revision_before_it_is_verified(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await deployer.deploy()
    served: list[str] = []
    deployer.cloud.run.after_update = lambda service: served.append(
        next(share.revision for share in service.traffic_statuses if share.percent == 100)
    )
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    second = await deployer.deploy()

    assert served == [first.revision, second.revision]
    assert not any(share.tag for share in deployer.cloud.run.services[deployer.cloud.service].traffic_statuses)


async def test_a_rollback_returns_to_the_previous_verified_revision(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await deployer.deploy()
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    second = await deployer.deploy()
    back = await deployer.deploy(action=Action.ROLL_BACK)

    assert back.outcome is Outcome.ROLLED_BACK
    assert deployer.serving == back.revision == first.revision
    assert len(back.canaries) == 8
    assert "no earlier verified revision" in await deployer.fail(action=Action.ROLL_BACK)

    forward = await deployer.deploy(action=Action.ROLL_BACK, revision=second.revision)

    assert deployer.serving == forward.revision == second.revision
    refused = await deployer.fail(action=Action.ROLL_BACK, revision="lightonocr-00009-abc")
    assert f"lightonocr-00009-abc is no verified revision of lightonocr; verified: {first.revision}" in refused


async def test_a_service_in_a_second_region_is_one_of_its_own_and_its_url_is_published_last(deployer: Deployer) -> None:
    cloud, region = deployer.cloud, "europe-west1"
    for name in ("pagemill", "pagemill-cache"):
        cloud.registry.create(f"projects/my-project/locations/{region}/repositories/{name}")
    first = await deployer.deploy()
    second = await deployer.deploy(region=region)

    there = cloud.service.replace("europe-west4", region)
    assert cloud.run.serving(there) == second.revision
    assert deployer.serving == first.revision
    assert second.image.startswith(f"{region}-docker.pkg.dev/")
    assert await service_url.published() == second.url != first.url


async def test_a_build_that_the_platform_failed_is_started_once_more(deployer: Deployer) -> None:
    deployer.cloud.builds.endings.append(Ending(Build.Status.INTERNAL_ERROR, detail="ZONE_RESOURCE_POOL_EXHAUSTED"))
    record = await deployer.deploy()

    assert record.build_log.endswith("build-2?project=my-project")


async def test_a_revision_that_did_not_start_is_created_again_with_the_same_configuration(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployer.deploy()
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    deployer.cloud.run.container = lambda _: Server(gpu_quota=False)
    await deployer.fail()
    deployer.cloud.run.container = lambda _: Server()
    record = await deployer.deploy()

    assert deployer.serving == record.revision
    assert len(deployer.cloud.run.revisions) == 3


async def test_a_first_deployment_whose_revision_did_not_start_can_be_repeated(deployer: Deployer) -> None:
    deployer.cloud.run.container = lambda _: Server(starts=False)
    await deployer.fail()
    deployer.cloud.run.container = lambda _: Server()
    record = await deployer.deploy()

    assert deployer.serving == record.revision
    assert await service_url.published() == record.url


async def test_a_first_revision_that_failed_verification_can_be_replaced(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployer.cloud.run.container = lambda _: Server(reads=random_weights)
    await deployer.fail()
    deployer.cloud.run.container = lambda _: Server()
    monkeypatch.setenv("PAGEMILL_SERVICE_BASE_IMAGE", "vllm/vllm-openai:v0.19.1")
    record = await deployer.deploy()

    assert deployer.serving == record.revision
    assert "no earlier verified revision" in await deployer.fail(action=Action.ROLL_BACK)


async def test_a_revision_that_started_but_failed_verification_is_verified_again_not_created_again(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployer.deploy()
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    monkeypatch.setenv("PAGEMILL_SERVICE_CANARY_SECONDS", "0.001")
    await deployer.fail()
    monkeypatch.delenv("PAGEMILL_SERVICE_CANARY_SECONDS")
    record = await deployer.deploy()

    assert deployer.serving == record.revision
    assert len(deployer.cloud.run.revisions) == 2


async def test_a_deployment_waits_for_an_approval_if_asked_to(deployer: Deployer) -> None:
    approving = asyncio.create_task(_answer_when_paused(approve=True))
    record = await deployer.deploy(approval=True)
    await approving

    assert deployer.serving == record.revision


async def test_a_deployment_that_is_not_approved_changes_nothing(deployer: Deployer) -> None:
    refusing = asyncio.create_task(_answer_when_paused(approve=False))
    said = await deployer.fail(approval=True)
    await refusing

    assert "not approved" in said
    assert not deployer.cloud.run.services


async def _answer_when_paused(*, approve: bool) -> None:
    async with get_client() as client:
        paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
        while not (found := await client.read_flow_runs(flow_run_filter=paused)):  # noqa: ASYNC110 -- of a server
            await asyncio.sleep(0.1)
        await client.resume_flow_run(found[0].id, run_input={"approve": approve})


async def test_each_deployment_writes_its_report_and_a_link_to_the_log(deployer: Deployer) -> None:
    state, _ = await deployer.run()
    async with get_client() as client:
        found = await client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]))
        )
    pages = {artifact.key: str(artifact.data) for artifact in found}

    assert "build-1" in pages["build-log"]
    for part in (
        "@sha256:",
        "first token",
        "french-german p. 1",
        "--max-num-seqs 8",
        "an hour",
        "1,000 pages",
        "lightonocr-00001",
    ):
        assert part in pages["deployment"], part


async def test_a_service_is_deleted_only_by_its_project_and_name_and_is_then_no_longer_published(
    deployer: Deployer,
) -> None:
    await deployer.deploy()
    refused = await asyncio.to_thread(CliRunner().invoke, app, ["deploy", "--delete"], input="lightonocr\n")
    assert refused.exit_code == 2
    assert "nothing was deleted" in refused.output
    assert deployer.cloud.run.services

    deleted = await asyncio.to_thread(CliRunner().invoke, app, ["deploy", "--delete"], input="my-project/lightonocr\n")

    assert deleted.exit_code == 0, deleted.output
    assert "its URL is no longer published" in deleted.output
    assert not deployer.cloud.run.services
    assert await service_url.published() == ""

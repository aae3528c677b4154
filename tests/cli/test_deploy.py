from __future__ import annotations

import io
import re
import tarfile

import pytest
from google.cloud.devtools import cloudbuild_v1
from typer.testing import CliRunner, Result

from pagemill.cli.main import app
from tests.fakes.google_cloud.builds import Ending
from tests.fakes.google_cloud.cloud import GoogleCloud


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def _deploy(*options: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["deploy", *options], input=typed)


def test_a_preview_shows_every_field_that_would_change_and_what_it_costs_and_changes_nothing(
    cloud: GoogleCloud,
) -> None:
    shown = _deploy("--dry-run")

    assert shown.exit_code == 0, shown.output
    assert "there is no such service; nothing was changed" in shown.output
    assert "+ template.containers[0].resources.limits.nvidia.com/gpu: 1" in shown.output
    assert "src-" in shown.output
    assert "(to be built)" in shown.output
    assert "an instance, an hour" in shown.output
    assert "$1.42" in shown.output
    assert "idle, a month" in shown.output
    assert not cloud.run.services
    assert not cloud.builds.builds


def test_a_preview_reports_what_would_be_refused(cloud: GoogleCloud) -> None:
    cloud.run.cpu_quota = 20
    cloud.project.denied.add("cloudbuild.builds.create")

    shown = _deploy("--dry-run")

    assert shown.exit_code == 2
    assert "Max instances must be set to 2" in shown.output
    assert "we lack cloudbuild.builds.create" in shown.output
    assert _deploy("--dry-run", "--max-instances", "2").output.count("Max instances") == 0


@pytest.mark.usefixtures("cloud")
def test_deleting_a_service_that_does_not_exist_is_an_error() -> None:
    shown = _deploy("--delete", typed="lightonocr\n")

    assert shown.exit_code == 2
    assert "there is no service lightonocr in europe-west4 of my-project" in shown.output


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("action", ["--dry-run", "--delete"])
def test_project_region_and_service_are_printed_before_anything_is_done(action: str) -> None:
    shown = _deploy(action, "--project", "acme-staging", "--region", "us-central1")

    first = "project acme-staging, region us-central1, service lightonocr"
    assert next(line for line in shown.output.splitlines() if line) == first
    assert "acme-staging" in shown.output.partition(first)[2]
    assert "my-project" not in shown.output


def test_a_login_without_a_quota_project_is_told_as_what_it_is(cloud: GoogleCloud) -> None:
    cloud.project.quota_project = False

    shown = _deploy("--dry-run")

    assert shown.exit_code == 2
    assert "your login has no quota project, so the request counts for Google's shared project 764086051850" in (
        shown.output.replace("\n", " ")
    )
    assert "gcloud auth application-default set-quota-project my-project" in shown.output
    assert "services enable" not in shown.output


def test_only_one_of_the_actions_can_be_chosen() -> None:
    assert "choose one" in _deploy("--rollback", "--delete").output
    assert "choose one" in _deploy("--revision", "r1", "--dry-run").output
    assert "is no name of a revision" in _deploy("--revision", "R 1").output


def test_without_a_project_the_variable_to_set_is_named() -> None:
    shown = _deploy("--dry-run")

    assert shown.exit_code == 2
    assert "export GOOGLE_CLOUD_PROJECT=" in shown.output


def test_the_image_of_the_flows_is_built_once_for_each_source_and_its_digest_is_printed(cloud: GoogleCloud) -> None:
    built, again = (CliRunner().invoke(app, ["build-runner"]) for _ in range(2))

    assert built.exit_code == again.exit_code == 0, built.output
    (build,) = cloud.builds.builds
    assert "batch-runner" in build.tags
    assert re.search(
        r"^export PAGEMILL_POOL_IMAGE=europe-west4-docker\.pkg\.dev/my-project/pagemill/batch-runner@sha256:\w{64}$",
        built.stdout,
        re.MULTILINE,
    )
    assert again.stdout == built.stdout
    source = cloud.sources.get(build.source.storage_source.bucket, build.source.storage_source.object_)
    assert source
    with tarfile.open(fileobj=io.BytesIO(source)) as tar:
        names = tar.getnames()
    assert {
        "uv.lock",
        "README.md",
        "src/pagemill/cli/main.py",
        "src/pagemill/flows",
        "flows/ocr_shard.py",
        "infra/batch_runner/Dockerfile",
    } <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith((".", "tests"))]


def test_a_failed_build_of_the_flows_image_reports_why(cloud: GoogleCloud) -> None:
    cloud.builds.endings.append(
        Ending(
            cloudbuild_v1.Build.Status.FAILURE, cloudbuild_v1.Build.FailureInfo.FailureType.USER_BUILD_STEP, "step 2"
        )
    )

    shown = CliRunner().invoke(app, ["build-runner"])

    assert shown.exit_code == 6
    assert "step 2" in shown.output
    assert "a step failed; the log says which" in shown.output

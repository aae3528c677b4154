from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from google.cloud.devtools import cloudbuild_v1
from google.protobuf.json_format import MessageToDict

from pagemill.config.service import read_service_settings
from pagemill.errors import DeploymentFailed
from pagemill.gcp import cloud_build
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.build_config import BuildConfig
from pagemill.gcp.cloud_build import CloudBuild, SourceObject
from tests.fakes.gcs import FakeGcs
from tests.fakes.google_cloud.builds import Build, Ending
from tests.fakes.google_cloud.cloud import GoogleCloud

_FOLDER = Path(__file__).parents[2] / "infra" / "gpu_service"
_SNAPSHOT = Path(__file__).parent / "snapshots" / "build.json"


@pytest.fixture
async def builder(cloud: GoogleCloud) -> AsyncIterator[CloudBuild]:
    assert cloud.grpc_server.host
    async with GoogleApi("my-project", emulated=True) as google:
        yield CloudBuild(google, read_service_settings())


def _message(builder: CloudBuild, source: SourceObject) -> cloudbuild_v1.Build:
    config = BuildConfig(_FOLDER)
    return builder.message(config, source, config.substitutions(tag="src-0123456789abcdef"))


def _uploaded(google: FakeGcs, cloud: GoogleCloud) -> SourceObject:
    return SourceObject(cloud.bucket, "source/a.tgz", google.put(cloud.bucket, "source/a.tgz", b"source"))


async def test_the_build_is_field_by_field_the_reviewed_one(builder: CloudBuild) -> None:
    build = _message(builder, SourceObject("my-project-pagemill-source", "source/0123.tgz", 7))

    assert MessageToDict(cloudbuild_v1.Build.pb(build)) == json.loads(_SNAPSHOT.read_text())


async def test_the_flow_submits_the_build_that_gcloud_reads_from_the_file(builder: CloudBuild) -> None:
    build = MessageToDict(cloudbuild_v1.Build.pb(_message(builder, SourceObject("b", "s", 1))))
    declared = yaml.safe_load((_FOLDER / "cloudbuild.yaml").read_text())

    for name in ("steps", "options", "timeout", "queueTtl"):
        assert build[name] == declared[name]
    assert build["substitutions"] == declared["substitutions"] | {"_TAG": "src-0123456789abcdef"}
    account = declared["serviceAccount"].replace("${PROJECT_ID}", "my-project")
    assert build["serviceAccount"] == account


async def test_the_log_url_is_reported_before_the_build_ends(
    builder: CloudBuild, google: FakeGcs, cloud: GoogleCloud
) -> None:
    started: list[str] = []

    async def note(build_id: str, log_url: str) -> None:
        assert cloud.builds.builds[-1].status == Build.Status.QUEUED
        started.append(f"{build_id} {log_url}")

    built = await builder.run(_message(builder, _uploaded(google, cloud)), note)

    assert started == [f"{built.build_id} {built.log_url}"]
    assert built.seconds == pytest.approx(90.0, abs=1.0)
    assert built.digest == ""  # it was pushed by a step, and only the registry knows


async def test_the_digest_of_an_image_that_cloud_build_pushes_itself_is_taken_from_its_results(
    builder: CloudBuild, google: FakeGcs, cloud: GoogleCloud
) -> None:
    async def ignore(*_: str) -> None: ...

    build = _message(builder, _uploaded(google, cloud))
    build.images = ["${_IMAGE}"]
    built = await builder.run(build, ignore)

    assert built.digest in cloud.registry.tags.values()


async def _ended(builder: CloudBuild, build: cloudbuild_v1.Build) -> str:
    """How a build ends; empty: well."""

    async def ignore(*_: str) -> None: ...

    try:
        await builder.run(build, ignore)
    except DeploymentFailed as error:
        return str(error)
    return ""


async def test_a_build_of_more_than_an_hour_pushes_with_a_new_token(
    builder: CloudBuild, google: FakeGcs, cloud: GoogleCloud
) -> None:
    cloud.builds.endings.extend([Ending(seconds=4000)] * 2)
    build = _message(builder, _uploaded(google, cloud))

    assert await _ended(builder, build) == ""
    build.steps = [step for step in build.steps if step.id != "new-token"]
    assert "denied: Unauthenticated request" in await _ended(builder, build)


async def test_a_build_does_not_ask_for_provenance_that_cloud_build_cannot_make(
    builder: CloudBuild, google: FakeGcs, cloud: GoogleCloud
) -> None:
    build = _message(builder, _uploaded(google, cloud))

    assert await _ended(builder, build) == ""
    build.options.requested_verify_option = cloudbuild_v1.BuildOptions.VerifyOption.VERIFIED
    assert "provenance could not be generated" in await _ended(builder, build)


async def test_a_build_that_never_ends_is_cancelled(
    builder: CloudBuild, google: FakeGcs, cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ignore(*_: str) -> None: ...

    monkeypatch.setattr(cloud_build, "_EXTRA_SECONDS", 0.2)
    cloud.builds.endings.append(Ending(polls=10**9))
    build = _message(builder, _uploaded(google, cloud))
    build.timeout = build.queue_ttl = dt.timedelta(milliseconds=1)

    with pytest.raises(DeploymentFailed, match=r"did not end within 0 s and was cancelled; log: https://"):
        await builder.run(build, ignore)
    assert cloud.builds.builds[-1].status == Build.Status.CANCELLED


async def test_a_missing_source_is_an_error_with_the_fix(builder: CloudBuild, cloud: GoogleCloud) -> None:
    async def ignore(*_: str) -> None: ...

    with pytest.raises(
        DeploymentFailed, match=r"FAILURE .*storage buckets add-iam-policy-binding gs://my-project-page"
    ):
        await builder.run(_message(builder, SourceObject(cloud.bucket, "source/gone.tgz", 1)), ignore)

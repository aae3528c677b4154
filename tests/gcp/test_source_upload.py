"""The source of a build is uploaded once, by an account that may create objects and not delete them."""

from __future__ import annotations

from pathlib import Path

from pagemill.config.service import read_service_settings
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.artifact_registry import PACKAGE
from pagemill.gcp.build_config import BuildConfig
from pagemill.orchestration.deploy.image_build import ImageBuild
from tests.fakes.gcs import Fault
from tests.fakes.google_cloud.cloud import GoogleCloud

_FOLDER = Path(__file__).parents[2] / "infra" / "gpu_service"


async def _build() -> None:
    async def ignore(*_: str) -> None: ...

    async with GoogleApi("my-project", emulated=True) as google:
        image = ImageBuild(google, read_service_settings(), None, config=BuildConfig(_FOLDER), package=PACKAGE)
        await image.build(lambda _: None, ignore)


async def test_a_source_that_is_in_the_bucket_already_is_built_without_writing_over_it(cloud: GoogleCloud) -> None:
    await _build()
    await _build()

    first, second = (build.source.storage_source for build in cloud.builds.builds)
    assert first == second
    assert cloud.sources.requests["insert"] == 1


async def test_an_upload_whose_answer_was_lost_is_not_a_failure(cloud: GoogleCloud) -> None:
    def broken_once(kind: str, _: str, __: str) -> Fault | None:
        if kind != "insert":
            return None
        cloud.sources.fault = lambda *_: None
        return Fault(torn=True)  # the object is written; the client repeats the request

    cloud.sources.fault = broken_once
    await _build()

    assert cloud.sources.requests["insert"] == 2

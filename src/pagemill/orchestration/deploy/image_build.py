"""Builds an image with Cloud Build, unless the registry has one of the same source."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pagemill.config.run import Settings
from pagemill.config.service import ServiceSettings
from pagemill.domain.service.plan import Image
from pagemill.errors import DeploymentFailed, PreconditionFailed, StoreUnusable, UsageError
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.artifact_registry import ArtifactRegistry
from pagemill.gcp.build_config import BuildConfig
from pagemill.gcp.cloud_build import BuiltImage, CloudBuild, SourceObject
from pagemill.orchestration.credentials import google_key
from pagemill.ports import ABSENT
from pagemill.storage.gcs import client as gcs
from pagemill.storage.gcs.store import GcsStore

BuildStarted = Callable[[str, str], Awaitable[object]]  # id and log URL of a build

ROOT = Path(__file__).parents[4]
RUNNER = "batch-runner"
# What infra/batch_runner/Dockerfile copies.
RUNNER_SOURCE = (
    *("pyproject.toml", "uv.lock", "LICENSE", "README.md", "prefect.yaml"),
    *("src", "flows", "tasks", "deployments", "infra"),
)
SMOKE = "pagemill-smoke"  # the image of a smoke test, and the model that its service serves
# What infra/smoke_service/Dockerfile copies, and the build itself.
SMOKE_SOURCE = (
    *("pyproject.toml", "uv.lock", "LICENSE", "README.md"),
    *("src", "flows", "tasks", "deployments", "infra/smoke_service"),
)
_SOURCE_PERMISSIONS = ("storage.objects.create", "storage.objects.get")


class ImageBuild:
    """One image: its source, its name, and how to build it."""

    def __init__(
        self,
        google: GoogleApi,
        settings: ServiceSettings,
        key: Mapping[str, Any] | None,
        *,
        config: BuildConfig,
        package: str,
        **arguments: str,
    ) -> None:
        """Open the clients; send no requests.

        Args:
            google: Opens the clients of Google's APIs.
            settings: Project, region and repositories.
            key: A service account's key; None: the machine's own credentials.
            config: The build.
            package: Name of the image in its repository.
            arguments: Values of substitutions, instead of those in cloudbuild.yaml; empty values do not count.

        Raises:
            UsageError: There is no valid cloudbuild.yaml, or it does not declare such a substitution.
        """
        substitutions = config.substitutions(
            region=settings.region,
            repository=settings.repository,
            cache_repository=settings.cache_repository,
            **arguments,
        )
        self.substitutions = {**substitutions, "_TAG": config.tag(substitutions)}
        self.tag = self.substitutions["_TAG"]
        self.registry = ArtifactRegistry(google, settings, package=package)
        location = gcs.parse_location(f"gs://{settings.bucket}/source")
        self.bucket = GcsStore(gcs.open_client(settings.project, key), location, permissions=_SOURCE_PERMISSIONS)
        self._builder = CloudBuild(google, settings)
        self._config = config
        self._settings = settings

    @property
    def name(self) -> str:
        """Reference of the image, by its tag."""
        return f"{self.registry.image_name}:{self.tag}"

    async def find(self) -> Image | None:
        """Return the image of this source; None if the registry has none."""
        return await self.registry.find(self.tag)

    async def build(self, announce: Callable[[str], object], started: BuildStarted) -> tuple[Image, BuiltImage]:
        """Build and push the image.

        Args:
            announce: Called with a line about each step.
            started: Called with the id and the log's URL of each build.

        Raises:
            DeploymentFailed: The build failed, or it pushed no image.
        """
        announce(f"uploading the source to {self.bucket.name}")
        source = await asyncio.to_thread(self._upload)
        announce("building the image")
        built = await self._builder.run(self._builder.message(self._config, source, self.substitutions), started)
        if built.digest:
            return Image(self.registry.image_name, built.digest, self.tag), built
        if image := await self.find():
            return image, built
        raise DeploymentFailed(
            f"the build {built.build_id} succeeded, but {self.name} is not in the registry; a "
            f"step of cloudbuild.yaml has to push ${{_IMAGE}}; log: {built.log_url}"
        )

    def _upload(self) -> SourceObject:
        """Upload the source under its own digest, so an object of this name has the same content already.

        It is looked for first, and again after an upload that was refused, which may be the repetition of one whose
        answer was lost: a deployer may create objects, and writing over one needs the permission to delete it.
        """
        name = f"{self._config.digest}.tgz"
        if not (stored := self.bucket.read(name)):
            try:
                self.bucket.write(name, self._config.archive, content_type="application/gzip", if_version=ABSENT)
            except (PreconditionFailed, StoreUnusable):
                if not self.bucket.read(name):
                    raise
            stored = self.bucket.read(name)
        if not stored or stored.data != self._config.archive:
            raise DeploymentFailed(
                f"{self.bucket.name}/{name} does not have the content that its name promises; delete it, then try again"
            )
        return SourceObject(self._settings.bucket, f"source/{name}", int(stored.version))


def smoke_image(google: GoogleApi, settings: ServiceSettings, key: Mapping[str, Any] | None) -> ImageBuild:
    """The image of a smoke test: the embedded OCR service.

    Args:
        google: Opens the clients of Google's APIs.
        settings: Project, region and repositories.
        key: A service account's key; None: the machine's own credentials.

    Raises:
        UsageError: This is not a checkout of pagemill.
    """
    _require_checkout(SMOKE_SOURCE)
    config = BuildConfig(ROOT / "infra" / "smoke_service", root=ROOT, names=SMOKE_SOURCE)
    return ImageBuild(google, settings, key, config=config, package=SMOKE)


async def runner_image(settings: ServiceSettings, common: Settings, announce: Callable[[str], object]) -> Image:
    """Return the image of the flows; build it with Cloud Build unless there is one of the same source.

    Raises:
        UsageError: This is not a checkout of pagemill, or there are no credentials.
        DeploymentFailed: The build failed.
    """
    config = BuildConfig(ROOT / "infra" / "batch_runner", root=ROOT, names=RUNNER_SOURCE)
    _require_checkout(RUNNER_SOURCE)
    key = await google_key(common.gcp_credentials_block)
    async with GoogleApi(settings.project, key, emulated=bool(settings.run_emulator_host)) as google:
        image = ImageBuild(google, settings, key, config=config, package=RUNNER)
        if problems := await image.registry.problems():
            raise DeploymentFailed("; ".join(problems))
        if found := await image.find():
            return found

        async def started(build_id: str, log_url: str) -> None:
            announce(f"build {build_id}: {log_url}")

        made, _ = await image.build(announce, started)
        return made


def _require_checkout(names: Sequence[str]) -> None:
    if missing := [name for name in names if not (ROOT / name).exists()]:
        raise UsageError(f"{ROOT} has no {', '.join(missing)}: the image is built from a checkout of pagemill")

"""Cloud Build: builds an image from a source, and explains failures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from google.api_core import exceptions as api
from google.cloud.devtools import cloudbuild_v1

from pagemill.config.service import ServiceSettings
from pagemill.errors import DeploymentFailed
from pagemill.gcp.api import READS, GoogleApi
from pagemill.gcp.build_config import BuildConfig

_Status = cloudbuild_v1.Build.Status
_Failure = cloudbuild_v1.Build.FailureInfo.FailureType
_RUNNING = {_Status.STATUS_UNKNOWN, _Status.PENDING, _Status.QUEUED, _Status.WORKING}
_PLATFORM_FAILURES = {_Status.INTERNAL_ERROR, _Status.EXPIRED}  # no machine in the zone, or too long in the queue
_TRIES = 2
_EXTRA_SECONDS = 300.0  # to wait beyond the build's own time limits
_GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class SourceObject:
    """The uploaded source."""

    bucket: str
    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """The result of a successful build."""

    build_id: str
    log_url: str
    digest: str  # empty: a step of the build pushed the image, so the registry has the digest
    seconds: float


class CloudBuild:
    """Builds images."""

    def __init__(self, google: GoogleApi, settings: ServiceSettings) -> None:
        """Open the client; send no requests."""
        self._google = google
        self._settings = settings
        self._client = google.client(cloudbuild_v1.CloudBuildAsyncClient, settings.build_emulator_host)
        self._parent = f"projects/{settings.project}/locations/{_GLOBAL}"

    def message(
        self, config: BuildConfig, source: SourceObject, substitutions: Mapping[str, str]
    ) -> cloudbuild_v1.Build:
        """The build to submit: what the file declares, with source, substitutions, tags and service account."""
        declared = config.declared
        build = cloudbuild_v1.Build(declared)
        build.source = cloudbuild_v1.Source(
            storage_source=cloudbuild_v1.StorageSource(
                bucket=source.bucket, object_=source.name, generation=source.generation
            )
        )
        build.substitutions = dict(substitutions)
        build.tags = [*declared.tags, substitutions["_TAG"]]
        build.service_account = f"projects/{self._settings.project}/serviceAccounts/{self._settings.builder}"
        return build

    async def run(self, build: cloudbuild_v1.Build, started: Callable[[str, str], Awaitable[object]]) -> BuiltImage:
        """Run a build to its end. If the platform failed, start it once more.

        Args:
            build: The build to run.
            started: Called with the id and the log's URL of each build that is started.

        Raises:
            DeploymentFailed: It did not succeed; the message says why, and what to do.
            PagemillError: It cannot be started.
        """
        for attempt in range(1, _TRIES + 1):
            finished = await self._run_once(build, started)
            if finished.status not in _PLATFORM_FAILURES or attempt == _TRIES:
                break
        if finished.status is not _Status.SUCCESS:
            raise DeploymentFailed(self._failure_message(finished))
        digests = [image.digest for image in finished.results.images if image.digest]
        seconds = (finished.finish_time - finished.start_time).total_seconds() if finished.finish_time else 0.0
        return BuiltImage(finished.id, finished.log_url, digests[0] if digests else "", seconds)

    async def _run_once(
        self, build: cloudbuild_v1.Build, started: Callable[[str, str], Awaitable[object]]
    ) -> cloudbuild_v1.Build:
        request = cloudbuild_v1.CreateBuildRequest(parent=self._parent, project_id=self._settings.project, build=build)
        with self._google.translated_errors("starting the build"):
            try:
                operation = await self._client.create_build(request)
            except api.NotFound as error:
                raise DeploymentFailed(f"starting the build: {error.message}") from error
            running = operation.metadata.build
        await started(running.id, running.log_url)
        budget = (build.timeout.total_seconds() if build.timeout else 3600.0) + _EXTRA_SECONDS
        budget += build.queue_ttl.total_seconds() if build.queue_ttl else 3600.0
        try:
            async with asyncio.timeout(budget):
                while (current := await self._get(running.id)).status in _RUNNING:  # noqa: ASYNC110 -- polls an API
                    await asyncio.sleep(self._settings.poll_seconds)
        except TimeoutError as error:
            await self._cancel(running.id)
            raise DeploymentFailed(
                f"the build {running.id} did not end within {budget:.0f} s and was cancelled; log: {running.log_url}"
            ) from error
        except asyncio.CancelledError:
            await self._cancel(running.id)
            raise
        return current

    async def _get(self, build_id: str) -> cloudbuild_v1.Build:
        request = cloudbuild_v1.GetBuildRequest(
            name=f"{self._parent}/builds/{build_id}", project_id=self._settings.project, id=build_id
        )
        with self._google.translated_errors(f"reading the build {build_id}"):
            try:
                return await self._client.get_build(request, retry=READS)
            except api.NotFound as error:
                raise DeploymentFailed(f"the build {build_id} no longer exists: {error.message}") from error

    async def _cancel(self, build_id: str) -> None:
        request = cloudbuild_v1.CancelBuildRequest(
            name=f"{self._parent}/builds/{build_id}", project_id=self._settings.project, id=build_id
        )
        with contextlib.suppress(api.GoogleAPIError):  # it may have ended by itself
            await self._client.cancel_build(request)

    def _failure_message(self, build: cloudbuild_v1.Build) -> str:
        """Why a build did not succeed, and how to fix it."""
        kind, detail = build.failure_info.type_, build.failure_info.detail or build.status_detail
        where = self._settings
        fix = {
            _Failure.PUSH_NOT_AUTHORIZED: "let it push: gcloud artifacts repositories add-iam-policy-binding "
            f"{where.repository} --location={where.region} --project={where.project} "
            f"--member=serviceAccount:{where.builder} --role=roles/artifactregistry.writer",
            _Failure.PUSH_FAILED: "check the registry, then deploy again",
            _Failure.PUSH_IMAGE_NOT_FOUND: "no step created the image to push; see the log",
            _Failure.FETCH_SOURCE_FAILED: "let it read the source: gcloud storage buckets add-iam-policy-binding "
            f"gs://{where.bucket} "
            f"--member=serviceAccount:{where.builder} --role=roles/storage.objectViewer",
            _Failure.LOGGING_FAILURE: f"grant {where.builder} the role roles/logging.logWriter",
            _Failure.USER_BUILD_STEP: "a step failed; the log says which and why",
        }.get(kind, "")
        if build.status is _Status.TIMEOUT:
            fix = "it took longer than `timeout` in cloudbuild.yaml: raise it, or see in the log what was slow"
        elif build.status in _PLATFORM_FAILURES:
            fix = f"the platform failed {_TRIES} times; deploy again later"
        elif build.status is _Status.CANCELLED:
            fix = "somebody cancelled it; deploy again"
        reason = f" ({detail})" if detail else ""
        end = f"the build {build.id} ended with {build.status.name}{reason}"
        return f"{end}; {fix or 'see the log'}; log: {build.log_url}"

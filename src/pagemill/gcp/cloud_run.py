"""Cloud Run: revisions and traffic of one service. Every change carries the etag of the state that it was based on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence

from google.api_core import exceptions as api
from google.api_core.operation_async import AsyncOperation
from google.cloud import run_v2
from google.protobuf.field_mask_pb2 import FieldMask

from pagemill.config.service import ServiceSettings
from pagemill.domain.service.plan import CANDIDATE_TAG, Candidate, Image, ServiceState, TrafficShare, changes
from pagemill.errors import Conflict, DeploymentFailed, NotReady
from pagemill.gcp.api import READS, GoogleApi
from pagemill.gcp.quota import quota_fix
from pagemill.gcp.run_spec import OWNED, RETRY, VERIFIED, fields, service_message, state_of

_TO_REVISION = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
_TO_LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST


class CloudRun:
    """The host of one service."""

    def __init__(self, google: GoogleApi, settings: ServiceSettings, *, model: str) -> None:
        """Open the clients; send no requests.

        Args:
            google: Opens the clients.
            settings: The service as it should be.
            model: Model name that requests use.
        """
        self._google = google
        self._settings = settings
        self._model = model
        self._services = google.client(run_v2.ServicesAsyncClient, settings.run_emulator_host)
        self._revisions = google.client(run_v2.RevisionsAsyncClient, settings.run_emulator_host)
        self._parent = f"projects/{settings.project}/locations/{settings.region}"
        self._name = f"{self._parent}/services/{settings.name}"

    def desired(self, image: Image | None) -> dict[str, str]:
        """Fields of the service as it should be, path to value; the image is left out if it is not known yet."""
        message = service_message(self._settings, image=image.reference if image else "", model=self._model)
        return fields(message)

    async def state(self) -> ServiceState | None:
        """Read the service; None if there is none.

        Raises:
            PagemillError: We may not read it, or the API does not answer.
        """
        service = await self._get()
        return state_of(service) if service else None

    async def check(self, image: str) -> None:
        """Let the API validate what would be deployed, quotas included. Changes nothing.

        Raises:
            PagemillError: It would be refused; the message says why.
        """
        message = service_message(self._settings, image=image, model=self._model)
        message.name = self._name
        message.traffic = [run_v2.TrafficTarget(type_=_TO_LATEST, percent=100)]
        request = run_v2.UpdateServiceRequest(service=message, allow_missing=True, validate_only=True)
        with self._google.translated_errors(f"checking the plan of {self._settings.name}"):
            await self._services.update_service(request)

    async def stage(self, image: Image, state: ServiceState | None) -> Candidate:
        """Create a revision without traffic, reachable at its own URL, and wait until it is ready.

        The first revision of a service gets all traffic, because there is no other; its URL is not published yet.

        Raises:
            NotReady: It does not start; the message names its logs.
            PagemillError: Somebody else changed the service, a quota is exhausted, or we may not deploy.
        """
        message = service_message(self._settings, image=image.reference, model=self._model)
        everything = [run_v2.TrafficTarget(type_=_TO_LATEST, percent=100, tag=CANDIDATE_TAG)]
        if state is None:
            return await self._create_revision(message, everything)
        message.etag = state.etag
        if not changes(state.fields, fields(message)):
            if state.latest_created == state.latest_ready:  # an earlier deployment left it behind
                return await self.stage_again(state.latest_created, state)
            message.template.annotations[RETRY] = str(state.retries + 1)
        beside = [*_pinned(state), run_v2.TrafficTarget(type_=_TO_LATEST, percent=0, tag=CANDIDATE_TAG)]
        return await self._create_revision(message, beside if state.traffic else everything)

    async def stage_again(self, revision: str, state: ServiceState) -> Candidate:
        """Give an existing revision a URL of its own, without traffic.

        Raises:
            PagemillError: It was deleted, somebody else changed the service, or we may not deploy.
        """
        target = run_v2.TrafficTarget(type_=_TO_REVISION, revision=revision, percent=0, tag=CANDIDATE_TAG)
        pinned = _pinned(state)
        if state.serving == revision:
            pinned, target.percent = [], 100
        await self._route([*pinned, target], etag=state.etag)
        return await self._candidate(revision, None)

    async def promote(self, candidate: Candidate) -> str:
        """Send all requests to a revision, and record it as verified; return the service's URL.

        Raises:
            PagemillError: Somebody else changed the service, or the requests do not go to the revision.
        """
        service = await self._existing()
        state = state_of(service)
        service.annotations[VERIFIED] = ",".join(state.verified_with(candidate.revision))
        target = run_v2.TrafficTarget(type_=_TO_REVISION, revision=candidate.revision, percent=100)
        after = state_of(await self._route([target], etag=state.etag, annotations=dict(service.annotations)))
        if after.serving != candidate.revision:
            raise DeploymentFailed(
                f"the requests for {self._settings.name} go to {after.traffic}, not to {candidate.revision}; type: "
                f"gcloud run services update-traffic {self._gcloud_target()} --to-revisions={candidate.revision}=100"
            )
        return after.url

    async def restore(self, before: ServiceState | None) -> None:
        """Send requests where they went before, and restore the list of verified revisions.

        Raises:
            PagemillError: The service cannot be changed.
        """
        service = await self._get()
        if before is None or service is None or not before.traffic:
            return
        state = state_of(service)
        annotations = {key: value for key, value in service.annotations.items() if key != VERIFIED}
        if before.verified:
            annotations[VERIFIED] = ",".join(before.verified)
        if _shares(state.traffic) != _shares(before.traffic) or state.verified != before.verified:
            after = state_of(await self._route(_pinned(before), etag=state.etag, annotations=annotations))
            if _shares(after.traffic) != _shares(before.traffic):
                raise DeploymentFailed(
                    f"the requests for {self._settings.name} go to {after.traffic}, not to {before.traffic}"
                )

    async def enable_invoker_check(self) -> None:
        """Switch Cloud Run's IAM check of callers on, if it is off.

        Raises:
            PagemillError: We may not change the service.
        """
        service = await self._existing()
        if service.invoker_iam_disabled:
            private = run_v2.Service(name=self._name, etag=service.etag, invoker_iam_disabled=False)
            await self._update(private, ["invoker_iam_disabled"])

    async def delete(self) -> bool:
        """Delete the service with its revisions and its IAM policy; return whether there was one.

        Raises:
            PagemillError: We may not delete it.
        """
        with self._google.translated_errors(f"deleting {self._settings.name}"):
            try:
                operation = await self._services.delete_service(name=self._name)
            except api.NotFound:
                return False
            await self._wait_for(operation)
        return True

    async def _create_revision(self, message: run_v2.Service, traffic: list[run_v2.TrafficTarget]) -> Candidate:
        started = time.monotonic()
        message.name = self._name
        message.traffic = traffic
        message.template.revision = ""  # the name of an existing revision would be refused
        try:
            service = await self._update(message, [*OWNED, "labels", "traffic"] if message.etag else ())
        except Conflict:
            raise
        except DeploymentFailed as error:
            current = await self._get()
            if current is None or not _has_failed(current) or isinstance(error.__cause__, TimeoutError):
                raise
            raise await self._not_ready_error(current, str(error)) from error
        if _has_failed(service):
            raise await self._not_ready_error(service)
        return await self._candidate(_short(service.latest_created_revision), time.monotonic() - started)

    async def _candidate(self, revision: str, seconds: float | None) -> Candidate:
        service = await self._existing()
        found = [status for status in service.traffic_statuses if status.tag == CANDIDATE_TAG]
        if [_short(status.revision) or revision for status in found] != [revision]:
            raise Conflict(
                f"somebody moved the tag {CANDIDATE_TAG} of {self._settings.name} to another revision; deploy again"
            )
        return Candidate(revision=revision, url=found[0].uri, startup_seconds=seconds)

    async def _route(
        self, traffic: list[run_v2.TrafficTarget], *, etag: str, annotations: Mapping[str, str] | None = None
    ) -> run_v2.Service:
        service = run_v2.Service(name=self._name, traffic=traffic, etag=etag, annotations=annotations)
        return await self._update(service, ["traffic", *(["annotations"] if annotations else [])])

    async def _update(self, service: run_v2.Service, paths: Sequence[str] = ()) -> run_v2.Service:
        """Change these fields of the service, or create it; wait until the operation has ended, also if it failed."""
        mask = FieldMask(paths=paths) if paths else None
        request = run_v2.UpdateServiceRequest(service=service, update_mask=mask, allow_missing=mask is None)
        what = f"deploying {self._settings.name}"
        try:
            with self._google.translated_errors(what):
                await self._wait_for(await self._services.update_service(request))
        except api.NotFound as error:
            raise DeploymentFailed(f"{what}: {error.message}") from error
        return await self._existing()

    async def _wait_for(self, operation: AsyncOperation) -> None:
        seconds = self._settings.deploy_seconds
        try:
            async with asyncio.timeout(seconds):
                while not await _is_done(operation):  # noqa: ASYNC110 -- polls an API
                    await asyncio.sleep(self._settings.poll_seconds)
        except TimeoutError as error:
            raise DeploymentFailed(
                f"the operation {operation.operation.name} did not end within {seconds:.0f} s; "
                f"check its progress: gcloud run services describe {self._gcloud_target()}"
            ) from error
        await operation.result()

    async def _not_ready_error(self, service: run_v2.Service, message: str = "") -> NotReady:
        """The error that names the revision that did not start, the reason, and its logs."""
        name = service.latest_created_revision
        reasons = [message, service.terminal_condition.message]
        logs = ""
        with contextlib.suppress(api.NotFound), self._google.translated_errors(f"reading {name}"):
            revision = await self._revisions.get_revision(name=name, retry=READS)
            logs = revision.log_uri
            reasons += [
                condition.message
                for condition in revision.conditions
                if condition.state == run_v2.Condition.State.CONDITION_FAILED
            ]
        reason = next(filter(None, reversed(reasons)), "no reason is given").rstrip(".")
        short = _short(name)
        return NotReady(
            f"the revision {short} does not start: {quota_fix(reason, self._settings.project) or reason}; its logs: "
            f"{logs or 'none'}; type: gcloud run revisions describe {short} --region={self._settings.region} "
            f"--project={self._settings.project}"
        )

    async def _get(self) -> run_v2.Service | None:
        try:
            with self._google.translated_errors(f"reading {self._settings.name}"):
                return await self._services.get_service(name=self._name, retry=READS)
        except api.NotFound:
            return None

    async def _existing(self) -> run_v2.Service:
        service = await self._get()
        if service is None:
            raise Conflict(f"somebody deleted the service {self._settings.name} meanwhile; deploy again")
        return service

    def _gcloud_target(self) -> str:
        return f"{self._settings.name} --region={self._settings.region} --project={self._settings.project}"


def _has_failed(service: run_v2.Service) -> bool:
    """Whether the newest revision is not ready, after the operation has ended."""
    failed = service.terminal_condition.state == run_v2.Condition.State.CONDITION_FAILED
    return bool(failed or service.latest_created_revision != service.latest_ready_revision)


async def _is_done(operation: AsyncOperation) -> bool:
    try:
        return bool(await operation.done())
    except api.ServiceUnavailable:  # only this poll failed; the next one may succeed
        return False


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _pinned(state: ServiceState) -> list[run_v2.TrafficTarget]:
    """The current traffic, with every target named by revision, so that a new revision gets no traffic."""
    return [
        run_v2.TrafficTarget(
            type_=_TO_REVISION,
            revision=share.revision,
            percent=share.percent,
            tag=share.tag.removeprefix(CANDIDATE_TAG),
        )
        for share in state.traffic
        if share.percent or share.tag != CANDIDATE_TAG
    ]


def _shares(traffic: Sequence[TrafficShare]) -> set[tuple[str, int]]:
    return {(share.revision, share.percent) for share in traffic if share.percent or share.tag}

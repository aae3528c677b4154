"""Cloud Run: revisions and traffic of one service. Every change carries the etag of the state that it was based on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from google.api_core import exceptions as api
from google.api_core.operation_async import AsyncOperation
from google.cloud import run_v2
from google.protobuf.field_mask_pb2 import FieldMask

from pagemill.config.service import ServiceSettings
from pagemill.domain.service.plan import CANDIDATE_TAG, Candidate, Image, ServiceState, changes
from pagemill.errors import Conflict, DeploymentFailed, NotReady
from pagemill.gcp.api import READS, GoogleApi
from pagemill.gcp.not_ready import not_ready
from pagemill.gcp.operations import ended
from pagemill.gcp.run_spec import RETRY, VERIFIED, fields, owned, service_message, state_of
from pagemill.gcp.traffic import pinned, shares, split, to_latest, to_revision


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
        return fields(message, owned(self._settings))

    async def state(self) -> ServiceState | None:
        """Read the service; None if there is none.

        Raises:
            PagemillError: We may not read it, or the API does not answer.
        """
        service = await self._get()
        return self._state_of(service) if service else None

    async def check(self, image: str) -> None:
        """Let the API validate what would be deployed, quotas included. Changes nothing.

        Raises:
            PagemillError: It would be refused; the message says why.
        """
        message = service_message(self._settings, image=image, model=self._model)
        message.name = self._name
        message.traffic = [to_latest(100)]
        request = run_v2.UpdateServiceRequest(service=message, allow_missing=True, validate_only=True)
        with self._google.translated_errors(f"checking the plan of {self._settings.name}"):
            await self._services.update_service(request)

    async def stage(self, image: Image, state: ServiceState | None) -> Candidate:
        """Create a revision without traffic, reachable at its own URL, and wait until it is ready.

        The first revision of a service gets all traffic, because there is no other; its URL is not published yet. The
        minimum number of instances stays what it is until the revision is promoted: a deployment that dies before
        leaves nothing behind that is billed.

        Raises:
            NotReady: It does not start; the message names its logs.
            PagemillError: Somebody else changed the service, a quota is exhausted, or we may not deploy.
        """
        message = service_message(self._settings, image=image.reference, model=self._model)
        message.scaling.min_instance_count = state.min_instances if state else 0
        everything = [to_latest(100, CANDIDATE_TAG)]
        if state is None:
            return await self._create_revision(message, everything)
        message.etag = state.etag
        if not changes(state.fields, fields(message, owned(self._settings))):
            if state.latest_created == state.latest_ready:  # an earlier deployment left it behind
                again = await self.stage_again(state.latest_created, state)
                return replace(again, min_instances=self._settings.min_instances)
            message.template.annotations[RETRY] = str(state.retries + 1)
        beside = [*pinned(state), to_latest(0, CANDIDATE_TAG)]
        return await self._create_revision(message, beside if state.traffic else everything)

    async def stage_again(self, revision: str, state: ServiceState) -> Candidate:
        """Give an existing revision a URL of its own, without traffic.

        Raises:
            PagemillError: It was deleted, somebody else changed the service, or we may not deploy.
        """
        target = to_revision(revision, 0, CANDIDATE_TAG)
        others = pinned(state)
        if state.serving == revision:
            others, target.percent = [], 100
        await self._route([*others, target], etag=state.etag)
        return await self._candidate(revision, None)

    async def promote(self, candidate: Candidate) -> str:
        """Send all requests to a revision, and record it as verified; return the service's URL.

        Raises:
            PagemillError: Somebody else changed the service, or the requests do not go to the revision.
        """
        service = await self._existing()
        state = self._state_of(service)
        service.annotations[VERIFIED] = ",".join(state.verified_with(candidate.revision))
        target = to_revision(candidate.revision, 100)
        scaling = service.scaling
        if candidate.min_instances is not None:
            scaling.min_instance_count = candidate.min_instances
        after = self._state_of(
            await self._route([target], etag=state.etag, annotations=dict(service.annotations), scaling=scaling)
        )
        if after.serving != candidate.revision:
            raise DeploymentFailed(
                f"the requests for {self._settings.name} go to {after.traffic}, not to {candidate.revision}; type: "
                f"gcloud run services update-traffic {self._gcloud_target()} --to-revisions={candidate.revision}=100"
            )
        return after.url

    async def shift(self, candidate: Candidate, percent: int, serving: str) -> None:
        """Send a share of the requests to a revision that is being tried, the others to the one that serves.

        Raises:
            PagemillError: Somebody else changed the service, or we may not change it.
        """
        state = self._state_of(await self._existing())
        if state.serving != serving:
            raise Conflict(
                f"somebody else changed the traffic of {self._settings.name} meanwhile: {state.traffic}; deploy again"
            )
        await self._route(split(candidate.revision, percent, serving), etag=state.etag)

    async def restore(self, before: ServiceState | None) -> None:
        """Send requests where they went before, with the minimum of instances and the verified revisions of then.

        Raises:
            PagemillError: The service cannot be changed.
        """
        service = await self._get()
        if service is None:
            return
        state = self._state_of(service)
        scaling = service.scaling
        least = before.min_instances if before else 0
        has_other_minimum, scaling.min_instance_count = scaling.min_instance_count != least, least
        if before is None or not before.traffic:
            if has_other_minimum:  # nothing is to be billed for a first revision that failed
                await self._update(run_v2.Service(name=self._name, etag=state.etag, scaling=scaling), ["scaling"])
            return
        annotations = {key: value for key, value in service.annotations.items() if key != VERIFIED}
        if before.verified:
            annotations[VERIFIED] = ",".join(before.verified)
        has_moved = shares(state) != shares(before) or bool(state.left_behind)
        if has_moved or has_other_minimum or state.verified != before.verified:
            after = self._state_of(
                await self._route(pinned(before), etag=state.etag, annotations=annotations, scaling=scaling)
            )
            if shares(after) != shares(before):
                raise DeploymentFailed(
                    f"the requests for {self._settings.name} go to {after.traffic}, not to {before.traffic}"
                )

    async def clean_up(self, state: ServiceState) -> None:
        """Take the traffic tag from a revision that a deployment left behind when it died.

        Raises:
            PagemillError: The service cannot be changed.
        """
        if state.left_behind:
            await self._route(pinned(state), etag=state.etag)

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
            service = await self._update(message, [*owned(self._settings), "labels", "traffic"] if message.etag else ())
        except Conflict:
            raise
        except DeploymentFailed as error:
            current = await self._get()
            if current is None or not _has_failed(current) or isinstance(error.__cause__, TimeoutError):
                raise
            raise await self._not_ready(current, str(error)) from error
        if _has_failed(service):
            raise await self._not_ready(service)
        candidate = await self._candidate(_short(service.latest_created_revision), time.monotonic() - started)
        return replace(candidate, min_instances=self._settings.min_instances)

    async def _candidate(self, revision: str, seconds: float | None) -> Candidate:
        service = await self._existing()
        found = [status for status in service.traffic_statuses if status.tag == CANDIDATE_TAG]
        if [_short(status.revision) or revision for status in found] != [revision]:
            raise Conflict(
                f"somebody moved the tag {CANDIDATE_TAG} of {self._settings.name} to another revision; deploy again"
            )
        return Candidate(revision=revision, url=found[0].uri, startup_seconds=seconds)

    async def _route(
        self,
        traffic: list[run_v2.TrafficTarget],
        *,
        etag: str,
        annotations: Mapping[str, str] | None = None,
        scaling: run_v2.ServiceScaling | None = None,
    ) -> run_v2.Service:
        service = run_v2.Service(name=self._name, traffic=traffic, etag=etag, annotations=annotations, scaling=scaling)
        changed = {"annotations": annotations, "scaling": scaling}
        return await self._update(service, ["traffic", *(name for name, value in changed.items() if value)])

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
        how = f"gcloud run services describe {self._gcloud_target()}"
        await ended(operation, self._settings.deploy_seconds, poll=self._settings.poll_seconds, describe=how)

    async def _not_ready(self, service: run_v2.Service, message: str = "") -> NotReady:
        return await not_ready(self._google, self._revisions, service, message)

    def _state_of(self, service: run_v2.Service) -> ServiceState:
        return state_of(service, owned(self._settings))

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


def _short(name: str) -> str:
    return name.rpartition("/")[2]

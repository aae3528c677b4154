"""Cloud Run: services, their revisions, traffic and policies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import trustme
from google.api.launch_stage_pb2 import LaunchStage
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.longrunning import operations_pb2

from tests.fakes.google_cloud import policies, revisions
from tests.fakes.google_cloud.grpc_server import GrpcServer, Operations, refuse, status
from tests.fakes.google_cloud.monitoring import Monitoring
from tests.fakes.google_cloud.project import Project
from tests.fakes.google_cloud.registry import Registry
from tests.fakes.google_cloud.urls import CloudRunUrl, LoopThread
from tests.fakes.google_cloud.vllm import Server
from tests.fakes.metadata_server import MetadataServer
from tests.fakes.ocr_endpoint import FakeEndpoint

_STATE = run_v2.Condition.State
_LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
_TAG_AND_NAME = 46
_USER_FIELDS = (
    *("labels", "annotations", "ingress", "template", "traffic", "scaling", "invoker_iam_disabled"),
    *("default_uri_disabled", "custom_audiences", "description", "launch_stage"),
)


class CloudRun:
    """All services of a project."""

    def __init__(
        self,
        grpc_server: GrpcServer,
        operations: Operations,
        loop_thread: LoopThread,
        project: Project,
        registry: Registry,
        *,
        signer: MetadataServer,
        folder: Path,
        monitoring: Monitoring,
    ) -> None:
        """Serve the methods on the gRPC server.

        Args:
            grpc_server: Serves the API's methods.
            operations: Long-running operations.
            loop_thread: Runs service URLs and servers.
            project: Accounts and permissions.
            registry: Images.
            signer: Signer of the valid tokens.
            folder: Where the authority's file is written.
            monitoring: Knows how many instances run, and counts requests.
        """
        self._monitoring = monitoring
        self._requests = itertools.count()
        self.container: Callable[[run_v2.RevisionTemplate], Server] = lambda _: Server()
        self.texts: Mapping[str, str] = {}  # known text by image
        # What the instances of the region may have together.
        self.cpu_quota, self.memory_quota_gib, self.gpu_quota = 1000, 10_000, 100
        self.stuck = False  # whether new revisions neither start nor fail
        self.iam_lag = 1  # requests to a service that still meet the policy before the last change
        self.url_lag = 1  # requests to a new URL that are answered with 404
        # Changes that somebody else makes before and after an update.
        self.before_update: Callable[[run_v2.Service], None] = lambda _: None
        self.after_update: Callable[[run_v2.Service], None] = lambda _: None
        self.before_delete: Callable[[run_v2.Service], None] = lambda _: None  # it may refuse
        self.services: dict[str, run_v2.Service] = {}
        self.revisions: dict[str, revisions.Started] = {}
        self.servers: dict[str, FakeEndpoint] = {}  # by full name of the revision
        self.policies: dict[str, policy_pb2.Policy] = {}
        self.urls: dict[str, CloudRunUrl] = {}  # by full name of the service, and its tag behind a #
        self._outdated: dict[str, list[policy_pb2.Policy]] = {}  # what the next requests to a service meet
        self._operations = operations
        self._loop_thread = loop_thread
        self._project = project
        self._registry = registry
        self._signer = signer
        self._folder = folder
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(folder / "ca.pem")
        self._numbers = itertools.count(1)
        self._serve(grpc_server)

    def serving(self, name: str) -> str:
        """The revision that gets all requests, by its short name."""
        found = [_short(share.revision) for share in self.services[name].traffic_statuses if share.percent == 100]
        return found[0] if found else ""

    def billed(self, name: str) -> int:
        """Instances that run without requests.

        Those of the service, shared by the revisions with traffic, and those of each revision with traffic or a tag.
        """
        service = self.services[name]
        running = {share.revision for share in service.traffic_statuses if share.percent or share.tag}
        own = sum(
            run_v2.RevisionTemplate.deserialize(
                self.revisions[f"{name}/revisions/{revision}"].template
            ).scaling.min_instance_count
            for revision in running
        )
        return int(own + service.scaling.min_instance_count * any(s.percent for s in service.traffic_statuses))

    def _serve(self, grpc_server: GrpcServer) -> None:
        v2, operation = run_v2, operations_pb2.Operation
        grpc_server.serve(
            "google.cloud.run.v2.Services",
            {
                "GetService": (v2.GetServiceRequest, v2.Service, lambda request: self._existing(request.name)),
                "UpdateService": (v2.UpdateServiceRequest, operation, self._update),
                "DeleteService": (v2.DeleteServiceRequest, operation, self._delete),
                "GetIamPolicy": (iam_policy_pb2.GetIamPolicyRequest, policy_pb2.Policy, self._get_policy),
                "SetIamPolicy": (iam_policy_pb2.SetIamPolicyRequest, policy_pb2.Policy, self._set_policy),
            },
        )
        grpc_server.serve(
            "google.cloud.run.v2.Revisions", {"GetRevision": (v2.GetRevisionRequest, v2.Revision, self._get_revision)}
        )

    def _existing(self, name: str) -> run_v2.Service:
        if name not in self.services:
            refuse("NOT_FOUND", f"Resource '{_short(name)}' of kind 'SERVICE' does not exist.")
        return self.services[name]

    def _get_revision(self, request: run_v2.GetRevisionRequest) -> run_v2.Revision:
        if request.name not in self.revisions:
            refuse("NOT_FOUND", f"Resource '{_short(request.name)}' of kind 'REVISION' does not exist.")
        return self.revisions[request.name].message

    def _update(self, request: run_v2.UpdateServiceRequest) -> Any:
        name = request.service.name
        before = self.services.get(name)
        if before and not request.validate_only:
            self.before_update(before)
        if before is None and not request.allow_missing:
            self._existing(name)
        if before and request.service.etag and request.service.etag != before.etag:
            refuse(
                "ABORTED", f"Conflict for resource '{_short(name)}': version '{request.service.etag}' was specified."
            )
        after = _merged(before, request)
        self._check(after, before)
        if request.validate_only:
            return self._operations.start(f"{name}/operations/validation", after, after)
        return self._apply(after, before)

    def _check(self, service: run_v2.Service, before: run_v2.Service | None) -> None:
        if any("googleapis.com/" in key for key in service.annotations):
            refuse("INVALID_ARGUMENT", "annotations: the namespace run.googleapis.com is not supported in v2")
        if sum(target.percent for target in service.traffic) != 100:
            refuse("INVALID_ARGUMENT", "traffic: the percents must add up to 100")
        for target in service.traffic:
            if target.tag and len(target.tag) + len(_short(service.name)) > _TAG_AND_NAME:
                refuse(
                    "INVALID_ARGUMENT",
                    f"spec.traffic.tag: traffic tag '{target.tag}' and service name '{_short(service.name)}' together "
                    f"are too long. Combined traffic tag and service name cannot exceed {_TAG_AND_NAME} characters.",
                )
            if target.revision and f"{service.name}/revisions/{target.revision}" not in self.revisions:
                refuse("INVALID_ARGUMENT", f"traffic: Revision '{target.revision}' not found.")
        template = service.template
        named = self.revisions.get(f"{service.name}/revisions/{template.revision}")
        if template.revision and named and named.template != revisions.canonical(template):
            known = f"Revision named '{template.revision}' with different configuration already exists."
            refuse("ALREADY_EXISTS", known)
        previews = any("readiness_probe" in container for container in template.containers)
        if previews and service.launch_stage not in {LaunchStage.BETA, LaunchStage.ALPHA}:
            refuse("INVALID_ARGUMENT", "readiness_probe: it is a preview, for which launch_stage has to be BETA")
        service.launch_stage = LaunchStage.BETA if previews else LaunchStage.GA
        revisions.check(template)
        self._project.check_account(template.service_account)
        if before is None or template != before.template or service.scaling != before.scaling:
            self._check_quotas(service)

    def _check_quotas(self, service: run_v2.Service) -> None:
        """Refuse more instances than the region's quotas allow, as Cloud Run writes it."""
        resources, most = service.template.containers[0].resources.limits, service.scaling.max_instance_count
        memory = int(resources["memory"].removesuffix("Gi")) * 2**30
        of_an_instance = {  # and what is allowed
            "total CPU": ("CpuAllocPerProjectRegion", 1000 * int(resources["cpu"]), 1000 * self.cpu_quota),
            "total memory": ("MemAllocPerProjectRegion", memory, self.memory_quota_gib * 2**30),
            "total GPU": (
                "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion",
                int(resources.get("nvidia.com/gpu", "0")),
                self.gpu_quota,
            ),
        }
        violated = {what: each for what, each in of_an_instance.items() if most * each[1] > each[2]}
        if not violated:
            return
        fewest = min(violated, key=lambda what: violated[what][2] // violated[what][1])
        lines = [f"{name} requested: {most * each} allowed: {allowed}" for name, each, allowed in violated.values()]
        refuse(
            "FAILED_PRECONDITION",
            "template.scaling.max_instance_count: Max instances must be set to "
            f"{violated[fewest][2] // violated[fewest][1]} or fewer to set the requested {fewest}.\nConsider running "
            "your workload in a region with greater capacity, or requesting an increase in quota for this region if "
            "you are seeing sustained usage near this limit, see https://cloud.google.com/run/quotas.\n\n"
            "Quota violated:\n" + "\n".join(lines),
        )

    def _shortage(self, template: run_v2.RevisionTemplate) -> str:
        """Why the region has no room for an instance beside those that run; empty if it has."""
        running = [
            run_v2.RevisionTemplate.deserialize(started.template)
            for name, started in self.revisions.items()
            for _ in range((self._monitoring.counts.get(_short(name)) or [0])[0])
        ]
        used = [each.containers[0].resources.limits for each in (*running, template)]
        memory = sum(int(each["memory"].removesuffix("Gi")) for each in used)
        if memory > self.memory_quota_gib:
            return "Quota exceeded for total allowable memory per project per region."
        gpus = sum(int(each.get("nvidia.com/gpu", "0")) for each in used)
        return "Quota exceeded for total allowable count of GPUs per project per region." * (gpus > self.gpu_quota)

    def _apply(self, service: run_v2.Service, before: run_v2.Service | None) -> Any:
        name, number = service.name, next(self._numbers)
        service.etag, service.generation = f'"{number}"', (before.generation if before else 0) + 1
        error = None
        if before is None:
            self.policies[name] = policy_pb2.Policy(etag=b"1")
            self.urls[name] = self._new_url(name, lambda: self._server_of(self._next_revision(name), name))
            service.uri = self.urls[name].url
        newest = self.revisions.get(service.latest_created_revision)
        if newest is None or newest.template != revisions.canonical(service.template):
            error = self._new_revision(service, number)
        else:
            state = _STATE.CONDITION_FAILED if newest.failure else _STATE.CONDITION_SUCCEEDED
            service.terminal_condition = run_v2.Condition(state=state, message=newest.failure)
        self._route(service)
        self.services[name] = service
        ends = service.terminal_condition.state != _STATE.CONDITION_RECONCILING
        operation = self._operations.start(f"{name}/operations/{number}", service, service, error, ends=ends)
        self.after_update(service)
        return operation

    def _new_revision(self, service: run_v2.Service, number: int) -> Any:
        """Create and start a revision; return the operation's error if it does not start."""
        name = f"{service.name}/revisions/{_short(service.name)}-{number:05d}-abc"
        service.latest_created_revision = name
        if self.stuck:
            service.terminal_condition = run_v2.Condition(state=_STATE.CONDITION_RECONCILING)
            return None
        template = run_v2.RevisionTemplate(service.template)
        server = self.container(template)
        started = revisions.start(
            name,
            template,
            server,
            image_exists=self._registry.holds(template.containers[0].image),
            no_room=self._shortage(template),
            listen=lambda: self._listen(name, template, server),
        )
        self.revisions[name] = started
        if started.failure:
            service.terminal_condition = run_v2.Condition(state=_STATE.CONDITION_FAILED, message=started.failure)
            return status("FAILED_PRECONDITION", started.failure)
        service.latest_ready_revision = name
        service.terminal_condition = run_v2.Condition(state=_STATE.CONDITION_SUCCEEDED)
        return None

    def _listen(self, name: str, template: run_v2.RevisionTemplate, server: Server) -> str:
        args = list(template.containers[0].args)
        if server.program:
            return server.program(args)
        self.servers[name] = self._loop_thread.open(
            FakeEndpoint(
                server.answering(self.texts),
                model=server.model or args[args.index("--served-model-name") + 1],
                healthy=lambda: server.healthy,
                latency_seconds=server.latency_seconds,
            )
        )
        return self.servers[name].url

    def _route(self, service: run_v2.Service) -> None:
        """Set where requests go; the target `latest` means the newest revision that is ready."""
        known = {share.tag for share in service.traffic_statuses}
        service.traffic_statuses = []
        for target in service.traffic:
            revision = _short(service.latest_ready_revision) if target.type_ == _LATEST else target.revision
            if not revision:
                continue
            share = run_v2.TrafficTargetStatus(
                type_=target.type_, revision=revision, percent=target.percent, tag=target.tag
            )
            if target.tag:
                tagged = self._tag_url(service.name, target.tag)
                tagged.not_found = tagged.not_found if target.tag in known else self.url_lag
                share.uri = tagged.url
            service.traffic_statuses.append(share)

    def _tag_url(self, name: str, tag: str) -> CloudRunUrl:
        def tagged() -> tuple[str, str]:
            shares = self.services[name].traffic_statuses
            return next((self._server_of(share.revision, name) for share in shares if share.tag == tag), ("", ""))

        if f"{name}#{tag}" not in self.urls:
            self.urls[f"{name}#{tag}"] = self._new_url(name, tagged)
        return self.urls[f"{name}#{tag}"]

    def _new_url(self, name: str, backend: Callable[[], tuple[str, str]]) -> CloudRunUrl:
        return self._loop_thread.open(
            CloudRunUrl(
                self._signer,
                self._folder,
                self._authority,
                audience=lambda: self.services[name].uri,
                backend=backend,
                count=self._monitoring.served.append,
                invokers=lambda: self._invokers(name),
                not_found=self.url_lag,
            )
        )

    def _next_revision(self, name: str) -> str:
        """The revision that gets the next request to a service: of a hundred in a row, each gets its percents."""
        place = next(self._requests) * 61 % 100
        for share in self.services[name].traffic_statuses:
            if place < share.percent:
                return str(share.revision)
            place -= share.percent
        return ""

    def _server_of(self, revision: str, service: str) -> tuple[str, str]:
        """A revision, and the URL of its server."""
        started = self.revisions.get(f"{service}/revisions/{revision}")
        return revision, started.url if started else ""

    def _invokers(self, name: str) -> Callable[[str], bool]:
        """Who may invoke a service with the next request. Changes of a policy take effect with a delay."""
        outdated = self._outdated.get(name)
        policy = outdated.pop(0) if outdated else self.policies[name]
        return lambda email: self._may_invoke(name, policy, email)

    def _may_invoke(self, name: str, policy: policy_pb2.Policy, email: str) -> bool:
        if self.services[name].invoker_iam_disabled:
            return True
        members = [
            member for binding in policy.bindings if binding.role == "roles/run.invoker" for member in binding.members
        ]
        return "allUsers" in members or bool(
            email and {f"serviceAccount:{email}", "allAuthenticatedUsers"}.intersection(members)
        )

    def _get_policy(self, request: iam_policy_pb2.GetIamPolicyRequest) -> policy_pb2.Policy:
        self._existing(request.resource)
        return policies.as_version(self.policies[request.resource], request.options.requested_policy_version)

    def _set_policy(self, request: iam_policy_pb2.SetIamPolicyRequest) -> policy_pb2.Policy:
        self._existing(request.resource)
        current = self.policies[request.resource]
        policy = policies.replaced(current, request.policy)
        self._outdated[request.resource] = [current] * self.iam_lag
        self.policies[request.resource] = policy
        return policy

    def _delete(self, request: run_v2.DeleteServiceRequest) -> Any:
        service = self._existing(request.name)
        self.before_delete(service)
        del self.services[request.name], self.policies[request.name]
        return self._operations.start(f"{request.name}/operations/delete", service, service)


def _merged(before: run_v2.Service | None, request: run_v2.UpdateServiceRequest) -> run_v2.Service:
    """The service after the request: the fields that the mask names change, or all fields that a user can set."""
    after = run_v2.Service(before) if before else run_v2.Service(name=request.service.name)
    for path in request.update_mask.paths or _USER_FIELDS:
        if path not in _USER_FIELDS:
            refuse("INVALID_ARGUMENT", f"update_mask: {path} cannot be set")
        setattr(after, path, getattr(request.service, path))
    return after


def _short(name: str) -> str:
    return name.rpartition("/")[2]

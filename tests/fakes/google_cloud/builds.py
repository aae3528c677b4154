"""Cloud Build: checks the request, fetches the source, and pushes the image that `_IMAGE` names."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from google.cloud.devtools import cloudbuild_v1
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from tests.fakes.gcs import FakeGcs
from tests.fakes.google_cloud.grpc_server import GrpcServer, Operations, refuse
from tests.fakes.google_cloud.registry import Registry

Build = cloudbuild_v1.Build
Failure = Build.FailureInfo.FailureType
_TOKEN_SECONDS = 3600  # that an access token lives
_VERIFIED = cloudbuild_v1.BuildOptions.VerifyOption.VERIFIED
_RUNNING = {Build.Status.QUEUED, Build.Status.WORKING}


@dataclass
class Ending:
    """How a build ends."""

    status: Any = Build.Status.SUCCESS
    failure: Any = Failure.FAILURE_TYPE_UNSPECIFIED
    detail: str = ""
    pushes: bool = True  # whether it pushes the image
    polls: int = 1  # until it has ended
    seconds: int = 90  # that it takes, nearly all of them before the last step


@dataclass
class _Run:
    build: Any
    ending: Ending
    polls: int = field(default=0)


class CloudBuild:
    """All builds of a project."""

    def __init__(
        self, grpc_server: GrpcServer, operations: Operations, registry: Registry, sources: FakeGcs, project: str
    ) -> None:
        """Serve the methods on the gRPC server."""
        self.endings: deque[Ending] = deque()  # of the next builds; later ones succeed
        self.builds: list[Any] = []
        self.attests = False  # whether Container Analysis is enabled, which stores provenance
        self._runs: dict[str, _Run] = {}
        self._operations = operations
        self._registry = registry
        self._sources = sources
        self._project = project
        v1 = cloudbuild_v1
        grpc_server.serve(
            "google.devtools.cloudbuild.v1.CloudBuild",
            {
                "CreateBuild": (v1.CreateBuildRequest, operations_pb2.Operation, self._create),
                "GetBuild": (v1.GetBuildRequest, v1.Build, self._get),
                "CancelBuild": (v1.CancelBuildRequest, v1.Build, self._cancel),
            },
        )

    def _create(self, request: cloudbuild_v1.CreateBuildRequest) -> Any:
        build = Build(request.build)
        self._check(build)
        build.id = f"build-{len(self.builds) + 1}"
        build.status = Build.Status.QUEUED
        build.log_url = f"https://console.cloud.google.com/cloud-build/builds/{build.id}?project={self._project}"
        self.builds.append(build)
        self._runs[build.id] = _Run(build, self.endings.popleft() if self.endings else Ending())
        metadata = cloudbuild_v1.BuildOperationMetadata(build=build)
        return self._operations.start(f"operations/build/{self._project}/{build.id}", metadata, Empty())

    def _late_failure(self, build: Any, ending: Ending) -> Ending | None:
        """How a build fails that its steps alone would not let fail; None if it does not."""
        if ending.status is not Build.Status.SUCCESS:
            return None
        if build.timeout and ending.seconds > build.timeout.total_seconds():
            return Ending(Build.Status.TIMEOUT)
        if ending.seconds > _TOKEN_SECONDS and _has_old_token(build):
            detail = "failed to push: failed to authorize: denied: Unauthenticated request"
            return Ending(Build.Status.FAILURE, Failure.USER_BUILD_STEP, detail)
        if build.options.requested_verify_option == _VERIFIED and not (build.images and self.attests):
            return Ending(Build.Status.FAILURE, detail="provenance could not be generated for the build's images")
        return None

    def _check(self, build: Any) -> None:
        if not build.steps:
            refuse("INVALID_ARGUMENT", "build.steps must not be empty")
        options = cloudbuild_v1.BuildOptions.LoggingMode
        if build.service_account and build.options.logging not in {options.CLOUD_LOGGING_ONLY, options.NONE}:
            refuse(
                "INVALID_ARGUMENT",
                "if 'build.service_account' is specified, logging must be CLOUD_LOGGING_ONLY or NONE",
            )
        text = " ".join([*(arg for step in build.steps for arg in step.args), *build.substitutions.values()])
        unknown = set(re.findall(r"\$\{?(_\w+)", text)) - set(build.substitutions)
        if unknown:
            refuse("INVALID_ARGUMENT", f"invalid value for 'build.substitutions': {sorted(unknown)} are not defined")

    def _get(self, request: cloudbuild_v1.GetBuildRequest) -> Any:
        run = self._run(request.id)
        run.polls += 1
        if run.build.status in _RUNNING:
            run.build.status = Build.Status.WORKING
            if run.polls >= run.ending.polls:
                self._end(run)
        return run.build

    def _cancel(self, request: cloudbuild_v1.CancelBuildRequest) -> Any:
        run = self._run(request.id)
        if run.build.status not in _RUNNING:
            refuse("FAILED_PRECONDITION", f"the build {request.id} has ended")
        run.build.status = Build.Status.CANCELLED
        return run.build

    def _run(self, build_id: str) -> _Run:
        if build_id not in self._runs:
            refuse("NOT_FOUND", f"build {build_id} not found")
        return self._runs[build_id]

    def _end(self, run: _Run) -> None:
        build, ending = run.build, run.ending
        source = build.source.storage_source
        content = self._sources.get(source.bucket, source.object_)
        build.start_time = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ending.seconds)
        build.finish_time = dt.datetime.now(dt.UTC)
        if content is None:
            ending = Ending(Build.Status.FAILURE, Failure.FETCH_SOURCE_FAILED, "source object not found")
        elif late := self._late_failure(build, ending):
            ending = late
        build.status = ending.status
        if ending.status is not Build.Status.SUCCESS:
            build.failure_info = Build.FailureInfo(type_=ending.failure, detail=ending.detail)
            return
        values = _expanded({**build.substitutions, "PROJECT_ID": self._project, "BUILD_ID": build.id})
        arguments = {name: value for name, value in values.items() if name not in {"_TAG", "_IMAGE", "BUILD_ID"}}
        digest = f"sha256:{hashlib.sha256(repr((content, sorted(arguments.items()))).encode()).hexdigest()}"
        if not ending.pushes:
            return
        if wrong := self._registry.push(values["_IMAGE"], digest):
            build.status = Build.Status.FAILURE
            build.failure_info = Build.FailureInfo(type_=Failure.USER_BUILD_STEP, detail=wrong)
        elif build.images:  # an image that buildx pushes is not listed in the results
            build.results = cloudbuild_v1.Results(
                images=[cloudbuild_v1.BuiltImage(name=values["_IMAGE"], digest=digest)]
            )


def _has_old_token(build: Any) -> bool:
    """Whether buildx pushes with a token that it has had since the build began: it keeps it while its builder runs."""
    args = [list(step.args) for step in build.steps]
    pushing = [number for number, given in enumerate(args) if "--push" in given]
    stops = [number for number, given in enumerate(args) if given[:2] == ["buildx", "stop"]]
    return any(not any(stop == push - 1 for stop in stops) for push in pushing)


def _expanded(values: dict[str, str]) -> dict[str, str]:
    """Replace substitutions that refer to one another, until no reference is left."""
    while any("${" in value for value in values.values()):
        values = {name: _replaced(value, values) for name, value in values.items()}
    return values


def _replaced(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)

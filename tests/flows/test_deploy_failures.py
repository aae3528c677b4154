"""Every way a deployment can fail: the previous revision keeps serving, its URL stays published, the message helps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pagemill.orchestration import service_url
from tests.fakes.google_cloud import vllm
from tests.fakes.google_cloud.builds import Build, Ending, Failure
from tests.fakes.google_cloud.cloud import GoogleCloud
from tests.fakes.google_cloud.grpc_server import Refused
from tests.fakes.google_cloud.vllm import Server
from tests.flows.deployer import Deployer

pytestmark = pytest.mark.flow

Arrange = Callable[[GoogleCloud], None]


def _container(**character: Any) -> Arrange:
    def arrange(cloud: GoogleCloud) -> None:
        cloud.run.container = lambda _: Server(**character)

    return arrange


def _build(status: Any, failure: Any = Failure.FAILURE_TYPE_UNSPECIFIED, **ending: Any) -> Arrange:
    def arrange(cloud: GoogleCloud) -> None:
        cloud.builds.endings.extend([Ending(status, failure, **ending)] * 2)

    return arrange


def _few_cpus(cloud: GoogleCloud) -> None:
    cloud.run.cpu_quota = 20


def _service_is_public(cloud: GoogleCloud) -> None:
    cloud.run.policies[cloud.service].bindings.add(role="roles/run.invoker", members=["allUsers"])


def _somebody_makes_it_public_meanwhile(cloud: GoogleCloud) -> None:
    def grant_to_everybody(_: Any) -> None:
        cloud.run.after_update = lambda _: None
        _service_is_public(cloud)

    cloud.run.after_update = grant_to_everybody


def _somebody_switches_the_check_off(cloud: GoogleCloud) -> None:
    def switch_off(service: Any) -> None:
        cloud.run.after_update = lambda _: None
        service.invoker_iam_disabled = True

    cloud.run.after_update = switch_off


def _somebody_deploys_too(cloud: GoogleCloud) -> None:
    def change(service: Any) -> None:
        cloud.run.before_update = lambda _: None
        service.etag = '"somebody"'

    cloud.run.before_update = change


def _another_page(cloud: GoogleCloud) -> None:
    reads = vllm.another_page(cloud.run.texts)
    cloud.run.container = lambda _: Server(reads=reads)


def _stuck(cloud: GoogleCloud) -> None:
    cloud.run.stuck = True


# The arrangement, whether it needs a build to take effect, and the message: cause, then fix.
_FAILURES: dict[str, tuple[Arrange, bool, str]] = {
    "build failure": (
        _build(Build.Status.FAILURE, Failure.USER_BUILD_STEP, detail="step 1 exited with 1"),
        True,
        r"build-2 ended with FAILURE \(step 1 exited with 1\); a step failed.*log: https://",
    ),
    "push denied": (
        _build(Build.Status.FAILURE, Failure.PUSH_NOT_AUTHORIZED),
        True,
        r"gcloud artifacts repositories add-iam-policy-binding pagemill .*roles/artifactregistry\.writer",
    ),
    "build time-out": (
        _build(Build.Status.TIMEOUT),
        True,
        r"TIMEOUT; it took longer than `timeout`",
    ),
    "build never gets a machine": (
        _build(Build.Status.EXPIRED),
        True,
        r"the platform failed 2 times; deploy again later",
    ),
    "build pushes nothing": (
        _build(Build.Status.SUCCESS, pushes=False),
        True,
        r"succeeded, but .* has to push \$\{_IMAGE",
    ),
    "quota": (_few_cpus, False, r"Max instances must be set to 2 or fewer.*PAGEMILL_SERVICE_MAX_INSTANCES=2"),
    "GPU quota at revision time": (
        _container(gpu_quota=False),
        False,
        r"does not start: Quota exceeded for total allowable count of GPUs.*NvidiaL4GpuAllocNoZonalRedundancy",
    ),
    "startup probe": (
        _container(starts=False),
        False,
        r"lightonocr-\d+-abc does not start: The user-provided.*logs: https.*deploy --logs --revision lightonocr",
    ),
    "health never succeeds": (
        _container(healthy=False),
        False,
        r"/health did not succeed within 1 s: .*503.*revision's logs",
    ),
    "wrong model name": (_container(model="other/model"), False, r"it serves other/model; .* another _MODEL"),
    "random weights": (
        _container(reads=vllm.random_weights),
        False,
        r"finish_reason is 'length'.*wrong text: word F1 0",
    ),
    "greedy loop": (_container(reads=vllm.greedy_loop), False, r"a loop: '.*and the same line once more.*' \d+ times"),
    "loop that ends": (_container(reads=vllm.greedy_loop_that_ends), False, r"a loop: '.*the same line once more"),
    "weaker model": (_container(reads=vllm.weaker_model), False, r"wrong text: word F1 0\.\d+ is less than 0\.80"),
    "canary text wrong": (_another_page, False, r"it reads '.*', the page says '.*cloudbuild\.yaml"),
    "too slow": (_container(latency_seconds=2.0), False, r"does not read|gave no (stream|answer)"),
    "service is public": (
        _service_is_public,
        False,
        r"allUsers has roles/run\.invoker.*remove-iam-policy-binding lightonocr .*--member=allUsers",
    ),
    "somebody makes it public meanwhile": (
        _somebody_makes_it_public_meanwhile,
        False,
        r"was public \(allUsers has roles/run\.invoker\); it is private again",
    ),
    "unauthenticated access possible": (
        _somebody_switches_the_check_off,
        False,
        r"was public \(it answered 200 without a token\); it is private again",
    ),
    "stale etag": (_somebody_deploys_too, False, r"somebody else changed it meanwhile .*then deploy again"),
    "operation that never ends": (
        _stuck,
        False,
        r"did not end within 1 s; check its progress: gcloud run services describe",
    ),
}


_ENDS_LATE = {"operation that never ends": "DEPLOY", "health never succeeds": "HEALTH", "too slow": "CANARY"}


@pytest.mark.parametrize("kind", _FAILURES)
async def test_the_previous_revision_keeps_serving_and_the_message_names_cause_and_fix(
    kind: str, deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrange, needs_build, said = _FAILURES[kind]
    before = await deployer.deploy()
    built = len(deployer.cloud.builds.builds)
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    if needs_build:
        monkeypatch.setenv("PAGEMILL_SERVICE_BASE_IMAGE", "vllm/vllm-openai:v0.19.1")
    if kind in _ENDS_LATE:  # what answers well gets its time, also on a busy machine
        monkeypatch.setenv(f"PAGEMILL_SERVICE_{_ENDS_LATE[kind]}_SECONDS", "1")
    arrange(deployer.cloud)

    message = await deployer.fail()

    assert re.search(said, message, re.DOTALL), message
    assert deployer.serving == before.revision
    assert await service_url.published() == before.url
    assert not _is_public(deployer.cloud) or kind == "service is public"
    assert len(deployer.cloud.builds.builds) - built == (2 if "machine" in kind else needs_build)
    tags = [share.tag for share in deployer.cloud.run.services[deployer.cloud.service].traffic_statuses]
    assert tags == [""]


def _is_public(cloud: GoogleCloud) -> bool:
    members = [member for binding in cloud.run.policies[cloud.service].bindings for member in binding.members]
    return "allUsers" in members or cloud.run.services[cloud.service].invoker_iam_disabled


async def test_all_problems_of_a_project_are_reported_together_with_the_commands(deployer: Deployer) -> None:
    cloud = deployer.cloud
    cloud.project.apis_off.add("iam.googleapis.com")
    cloud.project.denied.add("cloudbuild.builds.create")
    cloud.project.accounts.remove("pagemill-build@my-project.iam.gserviceaccount.com")
    cloud.project.not_ours.add("pagemill-run@my-project.iam.gserviceaccount.com")
    cloud.registry.repositories.clear()
    cloud.sources.buckets.clear()

    said = await deployer.fail()

    for command in (
        "gcloud services enable iam.googleapis.com --project=my-project",
        "we lack cloudbuild.builds.create in my-project",
        "gcloud iam service-accounts create pagemill-build --project=my-project",
        "gcloud iam service-accounts add-iam-policy-binding pagemill-run@my-project.iam.gserviceaccount.com",
        "gcloud artifacts repositories create pagemill --repository-format=docker",
        "gcloud artifacts repositories create pagemill-cache",
        "gcloud storage buckets create gs://my-project-pagemill-source",
    ):
        assert command in said, command
    assert not cloud.builds.builds
    assert not cloud.run.services


async def test_a_disabled_api_is_reported_once_regardless_of_how_many_calls_fail(deployer: Deployer) -> None:
    deployer.cloud.project.apis_off.add("run.googleapis.com")

    said = await deployer.fail()

    assert said.count("run.googleapis.com is not enabled") == 1
    assert "1 problem found" in said


async def test_a_first_deployment_that_fails_publishes_nothing(deployer: Deployer) -> None:
    deployer.cloud.run.container = lambda _: Server(reads=vllm.random_weights)

    said = await deployer.fail()

    assert "no revision served before, and no URL is published" in said
    assert await service_url.published() == ""


async def test_transient_errors_of_read_calls_are_retried(deployer: Deployer) -> None:
    for method in ("GetService", "GetTag", "GetBuild", "GetOperation"):
        deployer.cloud.grpc_server.fail(method, *[Refused("UNAVAILABLE", "on order")] * 2)

    record = await deployer.deploy()

    assert deployer.serving == record.revision

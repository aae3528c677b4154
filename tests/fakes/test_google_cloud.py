"""What the fake project on loopback enforces, tested with the real clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from google.api_core import exceptions as api
from google.cloud import run_v2

from pagemill.config.service import read_service_settings
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.run_spec import service_message
from tests.fakes.google_cloud.cloud import GoogleCloud

_LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
_REVISION = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
_IMAGE = "europe-west4-docker.pkg.dev/my-project/pagemill/lightonocr"


@pytest.fixture
async def services(cloud: GoogleCloud) -> AsyncIterator[run_v2.ServicesAsyncClient]:
    cloud.registry.push(f"{_IMAGE}:1", "sha256:1")
    async with GoogleApi("my-project", emulated=True) as google:
        yield google.client(run_v2.ServicesAsyncClient, cloud.grpc_server.host)


def _service(cloud: GoogleCloud) -> run_v2.Service:
    service = service_message(read_service_settings(), image=f"{_IMAGE}@sha256:1", model="a/b")
    service.name = cloud.service
    service.traffic = [run_v2.TrafficTarget(type_=_LATEST, percent=100)]
    return service


async def _deploy(services: run_v2.ServicesAsyncClient, service: run_v2.Service) -> Any:
    return await services.update_service(run_v2.UpdateServiceRequest(service=service, allow_missing=True))


def _probe(service: run_v2.Service, **values: int) -> None:
    for name, value in values.items():
        setattr(service.template.containers[0].startup_probe, name, value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda service: _probe(service, period_seconds=241), "240"),
        (lambda service: _probe(service, timeout_seconds=11), "timeout_seconds"),
        (lambda service: _probe(service, failure_threshold=181), "1800 seconds"),
        (lambda service: setattr(service.traffic[0], "tag", "a" * 37), "cannot exceed 46 characters"),
        (lambda service: service.template.containers[0].resources.limits.update(memory="64Gi"), "memory"),
        (lambda service: service.template.containers[0].resources.limits.update(cpu="2", memory="8Gi"), "GPU"),
        (lambda service: setattr(service.template.node_selector, "accelerator", ""), "accelerator"),
        (lambda service: setattr(service.template.containers[0].resources, "cpu_idle", True), "cpu_idle"),
        (lambda service: setattr(service.traffic[0], "percent", 99), "percents"),
        (lambda service: service.annotations.update({"run.googleapis.com/launch-stage": "GA"}), "run.googleapis.com"),
    ],
)
async def test_the_fake_refuses_what_cloud_run_refuses(
    spoil: Callable[[run_v2.Service], object], said: str, services: run_v2.ServicesAsyncClient, cloud: GoogleCloud
) -> None:
    service = _service(cloud)
    spoil(service)

    with pytest.raises(api.InvalidArgument, match=said):
        await _deploy(services, service)


async def test_the_name_of_an_existing_revision_is_a_conflict(
    services: run_v2.ServicesAsyncClient, cloud: GoogleCloud
) -> None:
    await (await _deploy(services, _service(cloud))).result()
    service = _service(cloud)
    service.template.revision = "lightonocr-00001-abc"
    service.template.max_instance_request_concurrency = 20

    with pytest.raises(api.AlreadyExists, match="with different configuration already exists"):
        await _deploy(services, service)


async def test_a_stale_etag_is_a_conflict(services: run_v2.ServicesAsyncClient, cloud: GoogleCloud) -> None:
    await (await _deploy(services, _service(cloud))).result()
    service = _service(cloud)
    service.etag = '"0"'

    with pytest.raises(api.Aborted):
        await _deploy(services, service)


async def test_a_missing_image_fails_the_revision_not_the_call(
    services: run_v2.ServicesAsyncClient, cloud: GoogleCloud
) -> None:
    service = _service(cloud)
    service.template.containers[0].image = f"{_IMAGE}@sha256:2"
    operation = await _deploy(services, service)

    with pytest.raises(api.GoogleAPICallError, match="not found"):
        await operation.result()
    made = await services.get_service(name=cloud.service)
    assert made.terminal_condition.state == run_v2.Condition.State.CONDITION_FAILED
    assert not made.latest_ready_revision


async def test_validate_only_changes_nothing(services: run_v2.ServicesAsyncClient, cloud: GoogleCloud) -> None:
    request = run_v2.UpdateServiceRequest(service=_service(cloud), allow_missing=True, validate_only=True)
    await services.update_service(request)

    with pytest.raises(api.NotFound):
        await services.get_service(name=cloud.service)


async def test_a_service_answers_403_without_a_token_and_401_to_a_bad_one(
    services: run_v2.ServicesAsyncClient, cloud: GoogleCloud
) -> None:
    await (await _deploy(services, _service(cloud))).result()
    url = (await services.get_service(name=cloud.service)).uri
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/health")).status_code == 404  # a new URL
        without_token = await client.get(f"{url}/health")
        bad_token = await client.get(f"{url}/health", headers={"Authorization": "Bearer a.b.c"})
        cloud.run.policies[cloud.service].bindings.add(role="roles/run.invoker", members=["allUsers"])
        public = await client.get(f"{url}/health")

    assert [without_token.status_code, bad_token.status_code, public.status_code] == [403, 401, 200]


async def test_a_change_of_the_policy_takes_effect_with_a_delay_in_both_directions(
    services: run_v2.ServicesAsyncClient, cloud: GoogleCloud
) -> None:
    cloud.run.url_lag, cloud.run.iam_lag = 0, 2
    await (await _deploy(services, _service(cloud))).result()
    url = (await services.get_service(name=cloud.service)).uri
    statuses = []
    async with httpx.AsyncClient() as client:
        for members in (["allUsers"], []):
            policy = {"bindings": [{"role": "roles/run.invoker", "members": members}]}
            await services.set_iam_policy({"resource": cloud.service, "policy": policy})
            statuses.append([(await client.get(f"{url}/health")).status_code for _ in range(3)])

    assert statuses == [[403, 403, 200], [200, 200, 403]]


async def test_a_missing_permission_and_a_disabled_api_refuse_the_call(
    services: run_v2.ServicesAsyncClient, cloud: GoogleCloud
) -> None:
    cloud.project.denied.add("run.services.update")
    with pytest.raises(api.PermissionDenied, match=r"run\.services\.update"):
        await _deploy(services, _service(cloud))

    cloud.project.apis_off.add("run.googleapis.com")
    with pytest.raises(api.PermissionDenied) as error:
        await _deploy(services, _service(cloud))
    assert error.value.reason == "SERVICE_DISABLED"


async def test_traffic_to_a_named_revision_stays_there_when_another_is_created(
    services: run_v2.ServicesAsyncClient, cloud: GoogleCloud
) -> None:
    await (await _deploy(services, _service(cloud))).result()
    service = _service(cloud)
    service.template.max_instance_request_concurrency = 20
    service.traffic = [
        run_v2.TrafficTarget(type_=_REVISION, revision="lightonocr-00001-abc", percent=100),
        run_v2.TrafficTarget(type_=_LATEST, tag="candidate"),
    ]
    await (await _deploy(services, service)).result()
    made = await services.get_service(name=cloud.service)

    assert [(share.revision, share.percent) for share in made.traffic_statuses] == [
        ("lightonocr-00001-abc", 100),
        ("lightonocr-00002-abc", 0),
    ]
    assert made.traffic_statuses[1].uri != made.uri

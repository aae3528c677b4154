"""What `pagemill doctor` says of the GPU service."""

from __future__ import annotations

from google.cloud import run_v2

from pagemill.config.run import read_settings
from pagemill.orchestration.deploy.inspection import inspected_service
from tests.fakes.google_cloud.cloud import GoogleCloud


def _service(cloud: GoogleCloud, verified: str, **tags: int) -> None:
    cloud.run.services[cloud.service] = run_v2.Service(
        name=cloud.service,
        annotations={"pagemill.dev/verified": verified},
        traffic_statuses=[run_v2.TrafficTargetStatus(revision="r1", percent=100)]
        + [run_v2.TrafficTargetStatus(revision="r2", percent=share, tag=tag) for tag, share in tags.items()],
    )


async def test_a_revision_that_a_dead_deployment_left_behind_is_named_with_the_command(cloud: GoogleCloud) -> None:
    _service(cloud, "r1", candidate=0)

    ok, detail = await inspected_service(read_settings())

    assert not ok
    assert "the revision r2 is being verified, or a deployment that died left it behind" in detail
    assert detail.endswith("type: pagemill deploy")


async def test_a_revision_that_was_never_verified_is_a_problem(cloud: GoogleCloud) -> None:
    _service(cloud, "r0")

    ok, detail = await inspected_service(read_settings())

    assert not ok
    assert "r1, which was never verified" in detail


async def test_a_service_as_a_deployment_leaves_it_and_no_service_are_no_problem(cloud: GoogleCloud) -> None:
    assert await inspected_service(read_settings()) == (True, "there is no lightonocr in europe-west4 of my-project")
    _service(cloud, "r1")

    ok, detail = await inspected_service(read_settings())

    assert ok
    assert "the verified revision r1 gets the requests" in detail


async def test_the_service_of_a_smoke_test_that_was_killed_is_named_with_both_commands(cloud: GoogleCloud) -> None:
    _service(cloud, "r1")
    name = f"{cloud.service}-smoke"
    cloud.run.services[name] = run_v2.Service(name=name)

    ok, detail = await inspected_service(read_settings())

    assert not ok
    assert "the verified revision r1 gets the requests. And lightonocr-smoke in europe-west4 of my-project" in detail
    assert "type: pagemill deploy --smoke, which deletes it, or gcloud run services delete lightonocr-smoke" in detail


async def test_a_service_that_may_not_be_read_is_no_problem_of_a_batch(cloud: GoogleCloud) -> None:
    cloud.project.denied.add("run.services.get")

    ok, detail = await inspected_service(read_settings())

    assert ok
    assert detail.startswith("not known: reading lightonocr: Permission 'run.services.get' denied")

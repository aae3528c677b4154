"""Quotas that have room for one instance, and a second revision that needs one beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from pagemill.config.service import read_service_settings
from pagemill.domain.service.plan import Image, ServiceState
from pagemill.errors import DeploymentFailed, NotReady
from pagemill.gcp.api import GoogleApi, NotAllowed
from pagemill.gcp.cloud_run import CloudRun
from pagemill.gcp.room import RegionRoom
from pagemill.rollout.room import Room
from tests.fakes.google_cloud.cloud import GoogleCloud

_NAME = "europe-west4-docker.pkg.dev/my-project/pagemill/lightonocr"
_IMAGES = [Image(_NAME, f"sha256:{number}", str(number)) for number in (1, 2)]


@pytest.fixture
async def google(cloud: GoogleCloud) -> AsyncIterator[GoogleApi]:
    """A new project: 20 vCPU and 40 GiB in the region."""
    cloud.run.cpu_quota, cloud.run.memory_quota_gib = 20, 40
    for image in _IMAGES:
        cloud.registry.push(f"{_NAME}:{image.source}", image.digest)
    async with GoogleApi("my-project", emulated=True) as google:
        yield google


async def _serving(google: GoogleApi, cloud: GoogleCloud, instances: Sequence[int], **settings: int) -> ServiceState:
    """A service whose one revision has so many instances, question after question."""
    host = CloudRun(google, read_service_settings(max_instances=1, **settings), model="a/b")
    await host.promote(await host.stage(_IMAGES[0], None))
    state = await host.state()
    assert state
    cloud.monitoring.counts[state.serving] = list(instances)
    return state


def _room(
    google: GoogleApi, *, lines: list[str] | None = None, idle_seconds: float | None = None, **sizes: int
) -> Room:
    settings = read_service_settings(max_instances=1, **sizes)
    region = RegionRoom(google, settings, model="a/b")
    return Room(region, idle_seconds=idle_seconds, announce=(lines if lines is not None else []).append)


async def test_a_second_revision_without_room_does_not_start(google: GoogleApi, cloud: GoogleCloud) -> None:
    state = await _serving(google, cloud, [1])
    host = CloudRun(google, read_service_settings(max_instances=1), model="a/b")

    with pytest.raises(NotReady, match="Quota exceeded for total allowable memory"):
        await host.stage(_IMAGES[1], state)


async def test_what_does_not_fit_beside_the_revision_that_serves_is_said_before_anything_is_built(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    state = await _serving(google, cloud, [1])

    (problem,) = await _room(google).problems(state, "image")

    assert "MemAllocPerProjectRegion allows 40 GiB, asked for 64 GiB" in problem
    assert "Cpu" not in problem  # 16 of 20
    assert problem.endswith("type: pagemill deploy --wait-for-idle, or request more")


async def test_one_gpu_is_not_enough_for_two_revisions(google: GoogleApi, cloud: GoogleCloud) -> None:
    cloud.run.memory_quota_gib, cloud.run.gpu_quota = 1000, 1
    state = await _serving(google, cloud, [1])

    (problem,) = await _room(google).problems(state, "image")

    assert "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion allows 1, asked for 2" in problem


async def test_two_small_revisions_fit_a_new_project(google: GoogleApi, cloud: GoogleCloud) -> None:
    state = await _serving(google, cloud, [1], cpu=4, memory_gib=16)

    assert await _room(google, cpu=4, memory_gib=16).problems(state, "image") == []


async def test_a_revision_that_is_known_to_have_no_instance_needs_no_room(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    state = await _serving(google, cloud, [0])

    assert await _room(google).problems(state, "image") == []


async def test_if_nobody_knows_the_instances_the_problem_is_told_all_the_same(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    state = await _serving(google, cloud, [0])
    cloud.monitoring.refused = "Permission monitoring.timeSeries.list denied (or the resource may not exist)."

    assert len(await _room(google).problems(state, "image")) == 1
    with pytest.raises(NotAllowed, match=r"counting the instances of lightonocr-00001-abc: .*timeSeries\.list denied"):
        await _room(google, idle_seconds=60.0).wait(state.serving)


async def test_the_new_revision_waits_until_the_one_that_serves_has_no_instance(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    lines: list[str] = []
    state = await _serving(google, cloud, [2, 1, 0])
    room = _room(google, lines=lines, idle_seconds=60.0)

    assert await room.problems(state, "image") == []
    await room.wait(state.serving)

    assert cloud.monitoring.questions == 3
    assert lines[0].startswith(f"waiting until {state.serving} has no instance")


async def test_a_revision_that_never_gets_idle_ends_the_deployment_and_nothing_is_changed(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    state = await _serving(google, cloud, [1])

    with pytest.raises(DeploymentFailed, match=r"still has 1 instance after 0 s.*nothing was changed"):
        await _room(google, idle_seconds=0.1).wait(state.serving)


async def test_a_service_that_always_keeps_an_instance_is_not_waited_for(google: GoogleApi, cloud: GoogleCloud) -> None:
    state = await _serving(google, cloud, [1], min_instances=1)

    (problem,) = await _room(google, idle_seconds=60.0).problems(state, "image")

    assert "would not end: the service always keeps 1 instance" in problem

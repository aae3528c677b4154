"""Revisions and traffic, with the real client: what a deployment that dies leaves behind, and what is billed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pagemill.config.service import read_service_settings
from pagemill.domain.service.plan import Image, ServiceState, changes
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.cloud_run import CloudRun
from tests.fakes.google_cloud.cloud import GoogleCloud

_NAME = "europe-west4-docker.pkg.dev/my-project/pagemill/lightonocr"
_IMAGE = Image(_NAME, "sha256:1", "1")


@pytest.fixture
async def google(cloud: GoogleCloud) -> AsyncIterator[GoogleApi]:
    for number in (1, 2):
        cloud.registry.push(f"{_NAME}:{number}", f"sha256:{number}")
    async with GoogleApi("my-project", emulated=True) as google:
        yield google


def _host(google: GoogleApi, **settings: object) -> CloudRun:
    return CloudRun(google, read_service_settings(**settings), model="a/b")


async def _state(host: CloudRun) -> ServiceState:
    state = await host.state()
    assert state
    return state


async def _deployed(host: CloudRun, image: Image = _IMAGE) -> ServiceState:
    await host.promote(await host.stage(image, await host.state()))
    return await _state(host)


async def test_a_minimum_of_instances_is_billed_once(google: GoogleApi, cloud: GoogleCloud) -> None:
    await _deployed(_host(google, min_instances=1))

    assert cloud.run.billed(cloud.service) == 1


async def test_a_first_deployment_that_dies_after_staging_leaves_nothing_that_is_billed(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    await _host(google, min_instances=1).stage(_IMAGE, None)

    assert cloud.run.billed(cloud.service) == 0


async def test_a_deployment_that_dies_after_staging_leaves_no_second_instance_and_the_next_one_cleans_up(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    host = _host(google, min_instances=1)
    before = await _deployed(host)
    staged = await host.stage(Image(_NAME, "sha256:2", "2"), before)

    assert cloud.run.billed(cloud.service) == 1
    left = await _state(host)
    assert left.left_behind == staged.revision
    await host.clean_up(left)
    assert (await _state(host)).left_behind == ""
    assert (await _state(host)).serving == before.serving


async def test_a_deployment_that_fails_beside_a_revision_left_behind_restores_the_traffic(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    host = _host(google)
    serving = (await _deployed(host)).serving
    await host.stage(Image(_NAME, "sha256:2", "2"), await host.state())
    left = await _state(host)
    await host.stage(_IMAGE, left)

    await host.restore(left)

    assert (await _state(host)).serving == serving
    assert [share.tag for share in cloud.run.services[cloud.service].traffic_statuses] == [""]


async def test_another_minimum_alone_needs_no_new_revision(google: GoogleApi, cloud: GoogleCloud) -> None:
    await _deployed(_host(google))
    after = await _deployed(_host(google, min_instances=1))

    assert after.min_instances == cloud.run.billed(cloud.service) == 1
    assert len(cloud.run.revisions) == 1


async def test_a_promotion_that_has_to_be_undone_restores_the_minimum(google: GoogleApi, cloud: GoogleCloud) -> None:
    before = await _deployed(_host(google))
    other = _host(google, min_instances=1)
    await _deployed(other)

    await other.restore(before)

    assert cloud.run.billed(cloud.service) == 0


async def test_a_first_promotion_that_has_to_be_undone_leaves_nothing_that_is_billed(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    host = _host(google, min_instances=1)
    await _deployed(host)

    await host.restore(None)

    assert cloud.run.billed(cloud.service) == 0


async def test_audiences_that_were_set_by_hand_stay_until_a_setting_names_some(
    google: GoogleApi, cloud: GoogleCloud
) -> None:
    await _deployed(_host(google))
    cloud.run.services[cloud.service].custom_audiences = ["https://by.hand"]
    before = await _state(_host(google))
    other = Image(_NAME, "sha256:2", "2")
    await _deployed(_host(google), other)
    kept = list(cloud.run.services[cloud.service].custom_audiences)
    named = _host(google, audiences=("https://ocr.example.com",))
    (change,) = changes((await _state(named)).fields, named.desired(other))
    await _deployed(named, other)

    assert changes(before.fields, _host(google).desired(_IMAGE)) == []
    assert kept == ["https://by.hand"]
    assert (change.path, change.after) == ("custom_audiences", '["https://ocr.example.com"]')
    assert list(cloud.run.services[cloud.service].custom_audiences) == ["https://ocr.example.com"]


async def test_a_readiness_probe_comes_and_goes_with_its_setting(google: GoogleApi, cloud: GoogleCloud) -> None:
    await _deployed(_host(google, readiness_period_seconds=20))
    probed = cloud.run.services[cloud.service]
    plain = _host(google)
    await _deployed(plain)

    assert "readiness_probe" in probed.template.containers[0]
    assert "readiness_probe" not in cloud.run.services[cloud.service].template.containers[0]
    assert changes((await _state(plain)).fields, plain.desired(_IMAGE)) == []

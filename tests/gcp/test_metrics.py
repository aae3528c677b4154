"""What Monitoring tells of a revision's requests, as its REST API answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from pagemill.config.service import read_service_settings
from pagemill.domain.service.load import RevisionLoad
from pagemill.errors import DeploymentFailed
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.metrics import ServiceMetrics
from tests.fakes.google_cloud.cloud import GoogleCloud
from tests.fakes.google_cloud.monitoring import Served

_MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
async def metrics(cloud: GoogleCloud) -> AsyncIterator[ServiceMetrics]:
    assert cloud.monitoring.host
    async with GoogleApi("my-project", emulated=True) as google:
        yield ServiceMetrics(google, read_service_settings())


def _served(cloud: GoogleCloud, at: dt.datetime, *statuses: int, revision: str = "new", seconds: float = 2.0) -> None:
    cloud.monitoring.served += [Served(revision, status, seconds, at) for status in statuses]


async def test_only_requests_of_the_revision_in_whole_minutes_since_then_count(
    metrics: ServiceMetrics, cloud: GoogleCloud
) -> None:
    minute = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
    since = minute - 5 * _MINUTE + dt.timedelta(seconds=1)  # a second after a sample began
    _served(cloud, since + dt.timedelta(seconds=1), 200, 500)  # in the sample of the change
    _served(cloud, minute - 3 * _MINUTE, 200, 200, 429, 503)
    _served(cloud, minute - 2 * _MINUTE, 200, seconds=9.0)
    _served(cloud, minute - 2 * _MINUTE, 500, revision="old")

    assert await metrics.load("new", since) == RevisionLoad(requests=5, errors=1, p95_seconds=9.0)
    assert await metrics.load("old", since) == RevisionLoad(requests=1, errors=1)
    assert await metrics.load("none", since) == RevisionLoad()


async def test_a_metric_that_does_not_answer_is_told_as_what_it_is(metrics: ServiceMetrics, cloud: GoogleCloud) -> None:
    cloud.monitoring.down = 1

    with pytest.raises(DeploymentFailed, match=r"counting the requests of new: The service is unavailable\."):
        await metrics.load("new", dt.datetime.now(dt.UTC))

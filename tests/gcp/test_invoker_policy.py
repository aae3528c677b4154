"""Who may call the service: policies with conditions, and changes at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from google.cloud import run_v2
from google.iam.v1 import policy_pb2

from pagemill.config.service import read_service_settings
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.invoker_policy import IamInvokerPolicy
from tests.fakes.google_cloud.cloud import GoogleCloud

_INVOKER = "roles/run.invoker"


@pytest.fixture
async def invokers(cloud: GoogleCloud) -> AsyncIterator[IamInvokerPolicy]:
    """The policy of a service that exists."""
    cloud.run.services[cloud.service] = run_v2.Service(name=cloud.service)
    cloud.run.policies[cloud.service] = policy_pb2.Policy(etag=b"1")
    async with GoogleApi("my-project", emulated=True) as google:
        yield IamInvokerPolicy(google, read_service_settings())


def _until_2027(cloud: GoogleCloud, member: str) -> None:
    policy = cloud.run.policies[cloud.service]
    policy.bindings.add(role=_INVOKER, members=[member]).condition.expression = "request.time < timestamp('2027')"


async def test_access_for_everybody_under_a_condition_is_seen_and_revoked(
    cloud: GoogleCloud, invokers: IamInvokerPolicy
) -> None:
    _until_2027(cloud, "allUsers")
    cloud.run.policies[cloud.service].bindings.add(role=_INVOKER, members=["user:a@example.com"])

    assert await invokers.public_bindings() == [(_INVOKER, "allUsers")]
    await invokers.revoke_public()

    assert await invokers.public_bindings() == []
    members = [member for binding in cloud.run.policies[cloud.service].bindings for member in binding.members]
    assert members == ["user:a@example.com"]


async def test_a_grant_keeps_the_bindings_of_others_with_their_conditions(
    cloud: GoogleCloud, invokers: IamInvokerPolicy
) -> None:
    _until_2027(cloud, "user:a@example.com")

    assert await invokers.grant(["user:b@example.com"])
    assert not await invokers.grant(["user:b@example.com"])

    policy = cloud.run.policies[cloud.service]
    assert [(list(binding.members), bool(binding.condition.expression)) for binding in policy.bindings] == [
        (["user:a@example.com"], True),
        (["user:b@example.com"], False),
    ]

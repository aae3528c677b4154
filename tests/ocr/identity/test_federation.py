"""Identity tokens with workload identity federation, as GitHub Actions has it: no key, and no machine of Google's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pagemill.errors import EndpointUnavailable, UsageError
from pagemill.ocr.identity.auth import IdTokenAuth
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer
from tests.fakes.workload_identity import ACCOUNT, WorkloadIdentity
from tests.ocr.identity.conftest import IDENTITY, Clock, Gcloud, client_with

Written = Callable[[Mapping[str, object]], None]
_GENERATE = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateIdToken"


@pytest.fixture
def federation(signer: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkloadIdentity]:
    with WorkloadIdentity(signer) as started:
        monkeypatch.setattr("google.auth.iam._IAM_IDTOKEN_ENDPOINT", started.generate_id_token)
        yield started


@pytest.fixture
def on_github(federation: WorkloadIdentity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """The file that google-github-actions/auth writes and the environment names; the function changes it."""
    path = tmp_path / "gha-creds.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    def write(info: Mapping[str, object]) -> None:
        path.write_text(json.dumps(info))

    write(federation.credentials())
    return write


@pytest.fixture
def door(door: IamProxy) -> IamProxy:
    """Lets the account in that the pool may act as."""
    door._invokers = frozenset({ACCOUNT})  # noqa: SLF001 -- the fixture of all tests names another one
    return door


@pytest.mark.usefixtures("on_github")
async def test_the_account_that_the_pool_may_act_as_gets_identity_tokens(
    federation: WorkloadIdentity, door: IamProxy, clock: Clock
) -> None:
    async with client_with(IdTokenAuth(door.url, clock=clock)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200
        clock.ahead = 3400
        assert (await client.get(f"{door.url}/health")).status_code == 200

    assert federation.requests == {"/oidc": 1, "/v1/token": 1, _GENERATE: 2}  # the federated token lives on


@pytest.mark.usefixtures("on_github")
async def test_the_file_that_the_environment_names_comes_before_the_machines_own_account(
    on_google_cloud: MetadataServer, door: IamProxy
) -> None:
    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200

    assert not on_google_cloud.requests[IDENTITY]


async def test_federated_application_default_credentials_are_used(
    federation: WorkloadIdentity, door: IamProxy, tmp_path: Path, gcloud: Gcloud
) -> None:
    gcloud("echo never asked >&2; exit 1")
    (tmp_path / "gcloud/application_default_credentials.json").write_text(json.dumps(federation.credentials()))

    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200


async def test_federation_without_an_account_says_what_is_missing(
    federation: WorkloadIdentity, on_github: Written, door: IamProxy
) -> None:
    on_github(federation.credentials(account=""))

    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError) as error:
            await client.get(f"{door.url}/health")

    assert "name no service account" in str(error.value)
    assert "`service_account:` of google-github-actions/auth" in str(error.value)
    assert "gcloud auth login" not in str(error.value)


@pytest.mark.usefixtures("on_github")
async def test_a_pool_that_may_not_act_as_the_account_gets_the_command_that_lets_it(
    federation: WorkloadIdentity, door: IamProxy
) -> None:
    federation.may_act = False

    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError) as error:
            await client.get(f"{door.url}/health")

    assert "iam.serviceAccounts.getOpenIdToken" in str(error.value)
    assert f"gcloud iam service-accounts add-iam-policy-binding {ACCOUNT}" in str(error.value)
    assert "--role=roles/iam.workloadIdentityUser" in str(error.value)


@pytest.mark.usefixtures("on_github")
@pytest.mark.parametrize("path", ["/oidc", "/v1/token", _GENERATE])
async def test_an_issuer_that_fails_for_now_is_waited_for(
    federation: WorkloadIdentity, door: IamProxy, path: str
) -> None:
    federation.status_of[path] = 503

    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(EndpointUnavailable, match="no identity token for now"):
            await client.get(f"{door.url}/health")
        del federation.status_of[path]
        assert (await client.get(f"{door.url}/health")).status_code == 200


async def test_a_token_that_sts_refuses_is_not_quoted(
    federation: WorkloadIdentity, on_github: Written, door: IamProxy
) -> None:
    on_github(federation.credentials() | {"audience": "//iam.googleapis.com/another"})

    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError, match=r"invalid_grant: not our token: \[token\]") as error:
            await client.get(f"{door.url}/health")

    assert "eyJ" not in str(error.value)


async def test_a_file_that_does_not_say_where_tokens_come_from_is_named(
    federation: WorkloadIdentity, on_github: Written, door: IamProxy
) -> None:
    on_github(federation.credentials() | {"credential_source": {}})

    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError, match="no valid external_account"):
            await client.get(f"{door.url}/health")

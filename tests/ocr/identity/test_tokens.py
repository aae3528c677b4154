"""Identity tokens: the real google-auth, a metadata server that signs, and a proxy that verifies."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pagemill.domain.pages.model import Recipe
from pagemill.errors import EndpointUnavailable, UsageError
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.ocr.identity.auth import IdTokenAuth
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer
from tests.fakes.ocr_endpoint import MODEL, FakeEndpoint
from tests.ocr.identity.conftest import IDENTITY, Clock, Gcloud, client_with


async def test_a_hundred_first_requests_at_once_fetch_one_token(
    on_google_cloud: MetadataServer, door: IamProxy
) -> None:
    everybody_waits = threading.Event()
    on_google_cloud.before_token = lambda: everybody_waits.wait(5)

    async with client_with(IdTokenAuth(f"{door.url}/v1")) as client:
        requests = [asyncio.create_task(client.get(f"{door.url}/health")) for _ in range(100)]
        await asyncio.sleep(0)
        everybody_waits.set()
        answers = await asyncio.gather(*requests)

    assert {answer.status_code for answer in answers} == {200}
    assert on_google_cloud.requests[IDENTITY] == 1
    assert len(set(door.tokens)) == 1


async def test_a_token_is_renewed_before_it_expires_without_a_failed_request(
    on_google_cloud: MetadataServer, door: IamProxy, clock: Clock
) -> None:
    async with client_with(IdTokenAuth(door.url, clock=clock)) as client:
        for ahead in (0, 3200, 3400, 3600, 6500):
            clock.ahead = ahead
            answers = await asyncio.gather(*(client.get(f"{door.url}/health") for _ in range(5)))
            assert {answer.status_code for answer in answers} == {200}

    assert door.outcomes == {200: 25}
    assert on_google_cloud.requests[IDENTITY] == 2


async def test_a_valid_token_is_used_while_the_metadata_server_is_unavailable(
    on_google_cloud: MetadataServer, door: IamProxy, clock: Clock
) -> None:
    async with client_with(IdTokenAuth(door.url, clock=clock)) as client:
        await client.get(f"{door.url}/health")
        on_google_cloud.broken, clock.ahead = 404, 3500
        assert (await client.get(f"{door.url}/health")).status_code == 200
        clock.ahead = 3700
        with pytest.raises(EndpointUnavailable, match="no identity token for now"):
            await client.get(f"{door.url}/health")


async def test_fifty_refusals_at_once_cost_one_renewal(on_google_cloud: MetadataServer, door: IamProxy) -> None:
    async with client_with(IdTokenAuth(door.url)) as client:
        await client.get(f"{door.url}/health")
        door.revoked.update(door.tokens)
        answers = await asyncio.gather(*(client.get(f"{door.url}/health") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert on_google_cloud.requests[IDENTITY] == 2
    assert 1 <= door.outcomes[401] <= 50


async def test_a_second_401_is_returned_to_the_caller(on_google_cloud: MetadataServer, door: IamProxy) -> None:
    on_google_cloud.lifetime_seconds = -1

    async with client_with(IdTokenAuth(door.url)) as client:
        answer = await client.get(f"{door.url}/health")

    assert answer.status_code == 401
    assert door.outcomes == {401: 2}


async def test_the_front_door_accepts_valid_tokens_only(signer: MetadataServer, door: IamProxy) -> None:
    with MetadataServer() as forger:
        forged = forger.token(door.url)

    assert door.status_for(f"Bearer {signer.token(door.url)}") == 200
    assert door.status_for(f"Bearer {signer.token(door.url, email='else@example.com')}") == 403
    for bad in (
        *("", "Bearer", "Bearer x.y.z", f"Basic {signer.token(door.url)}", f"Bearer {forged}"),
        f"Bearer {signer.token(f'{door.url}/')}",
        f"Bearer {signer.token('https://other.run.app')}",
        f"Bearer {signer.token(door.url, exp=int(time.time()) - 1)}",
    ):
        assert door.status_for(bad) == 401


@pytest.mark.parametrize("other", ["https://localhost:{port}1", "http://localhost:{port}", "https://127.0.0.1:{port}"])
async def test_no_token_goes_to_another_origin(on_google_cloud: MetadataServer, door: IamProxy, other: str) -> None:
    seen: list[httpx.Request] = []
    url = other.format(port=httpx.URL(door.url).port)

    def elsewhere(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    transport = httpx.MockTransport(elsewhere)
    async with httpx.AsyncClient(auth=IdTokenAuth(door.url), transport=transport) as client:
        await client.get(f"{door.url}/health")
        await client.get(f"{url}/health")

    assert ["Authorization" in request.headers for request in seen] == [True, False]
    assert on_google_cloud.requests[IDENTITY] == 1


@pytest.mark.usefixtures("on_google_cloud")
async def test_a_redirect_is_not_followed(door: IamProxy) -> None:
    async with FakeEndpoint() as elsewhere:
        door.moved_to = elsewhere.url
        async with _recognizer(door) as recognizer:
            with pytest.raises(UsageError, match=f"answered 307 and points to {elsewhere.url}"):
                await recognizer.probe()

    assert not elsewhere.record.paths


@asynccontextmanager
async def _recognizer(door: IamProxy) -> AsyncIterator[OpenAiRecognizer]:
    async def locate() -> str:
        return door.url

    async with OpenAiRecognizer(locate, recipe=Recipe(MODEL), auth=IdTokenAuth(door.url)) as recognizer:
        yield recognizer


async def test_pages_are_read_behind_the_front_door(on_google_cloud: MetadataServer, door: IamProxy) -> None:
    async with _recognizer(door) as recognizer:
        await recognizer.probe()
        transcripts = await asyncio.gather(*(recognizer.read(b"png", max_tokens=9) for _ in range(20)))

    assert len(transcripts) == 20
    assert door.outcomes == {200: 22}
    assert on_google_cloud.requests[IDENTITY] == 1


async def test_an_account_without_access_gets_the_command_that_grants_it(
    on_google_cloud: MetadataServer, door: IamProxy
) -> None:
    on_google_cloud.email = "stranger@project.iam.gserviceaccount.com"

    async with _recognizer(door) as recognizer:
        with pytest.raises(UsageError) as rejected:
            await recognizer.probe()

    assert "403" in str(rejected.value)
    assert "add-iam-policy-binding SERVICE --region=REGION " in str(rejected.value)
    assert "--member=serviceAccount:stranger@project.iam.gserviceaccount.com --role=roles/run.invoker" in str(
        rejected.value
    )


async def test_an_endpoint_that_refuses_two_tokens_is_named_with_the_audience(
    on_google_cloud: MetadataServer, door: IamProxy
) -> None:
    on_google_cloud.lifetime_seconds = -1

    async with _recognizer(door) as recognizer:
        with pytest.raises(UsageError, match=rf"401.*two identity tokens for {door.url};.*custom audiences"):
            await recognizer.probe()


async def test_one_failing_answer_does_not_hide_the_metadata_server(
    on_google_cloud: MetadataServer, door: IamProxy
) -> None:
    on_google_cloud.faults = [503]

    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200


@pytest.mark.parametrize("status", [404, 500])
async def test_a_failing_metadata_server_is_a_transient_error(
    on_google_cloud: MetadataServer, door: IamProxy, status: int
) -> None:
    on_google_cloud.broken = status

    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(EndpointUnavailable, match="no identity token for now"):
            await client.get(f"{door.url}/health")
        on_google_cloud.broken = 0
        assert (await client.get(f"{door.url}/health")).status_code == 200


async def test_a_service_accounts_key_gets_tokens_from_its_token_uri(signer: MetadataServer, door: IamProxy) -> None:
    async with client_with(IdTokenAuth(door.url, key=signer.service_account_key())) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200

    assert signer.requests == {"/token": 1}


async def test_a_key_file_that_the_environment_names_is_used(
    signer: MetadataServer, door: IamProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.json").write_text(json.dumps(signer.service_account_key()))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))

    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200


async def test_a_key_of_another_kind_is_named(door: IamProxy) -> None:
    async with client_with(IdTokenAuth(door.url, key={"type": "authorized_user"})) as client:
        with pytest.raises(UsageError, match="the key is not that of a service account"):
            await client.get(f"{door.url}/health")


async def test_an_impersonated_service_account_gets_tokens(
    signer: MetadataServer, door: IamProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "google.auth.iam._IAM_IDTOKEN_ENDPOINT",
        f"http://{signer.host}/v1/projects/-/serviceAccounts/{{}}:generateIdToken",
    )
    monkeypatch.setattr("google.auth.iam._IAM_ENDPOINT", f"http://{signer.host}/access/{{}}")
    source = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    impersonated = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": f"http://{signer.host}/v1/projects/-/serviceAccounts/{signer.email}:generateAccessToken",
        "source_credentials": source,
        "delegates": [],
    }
    (tmp_path / "gcloud/application_default_credentials.json").write_text(json.dumps(impersonated))
    monkeypatch.setattr("google.oauth2.credentials.Credentials.refresh", _user_refreshed)

    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200


def _user_refreshed(credentials: object, _: object) -> None:
    credentials.token = "a user's access token"  # type: ignore[attr-defined]  # noqa: S105 -- no secret


async def test_the_last_resort_is_the_users_own_gcloud_login(
    signer: MetadataServer, door: IamProxy, gcloud: Gcloud
) -> None:
    gcloud(f'[ "$*" = "auth print-identity-token --quiet" ] && echo {signer.token(door.url)}')

    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200


async def test_gcloud_finds_its_own_modules(
    signer: MetadataServer, door: IamProxy, gcloud: Gcloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # as pagemill sets it for itself; gcloud is written in Python, too
    gcloud(f'[ -z "$PYTHONSAFEPATH" ] && echo {signer.token(door.url)}')

    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200


async def test_a_users_application_default_credentials_lead_to_gcloud_too(
    signer: MetadataServer, door: IamProxy, tmp_path: Path, gcloud: Gcloud
) -> None:
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    (tmp_path / "gcloud/application_default_credentials.json").write_text(json.dumps(user))
    gcloud(f"echo {signer.token(door.url)}")

    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200


@pytest.mark.parametrize("script", [None, "echo some secret; echo 'ERROR: you are not logged in' >&2; exit 1"])
async def test_a_user_without_credentials_gets_the_two_commands_that_help(
    door: IamProxy, script: str | None, gcloud: Gcloud
) -> None:
    if script:
        gcloud(script)

    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError) as error:
            await client.get(f"{door.url}/health")

    assert f"no identity token for {door.url}" in str(error.value)
    assert "`gcloud auth login`" in str(error.value)
    assert "`gcloud auth application-default login --impersonate-service-account=" in str(error.value)
    assert ("you are not logged in" in str(error.value)) is bool(script)
    assert "secret" not in str(error.value)


async def test_a_token_is_in_no_log_and_in_no_error(
    on_google_cloud: MetadataServer, door: IamProxy, caplog: pytest.LogCaptureFixture
) -> None:
    auth = IdTokenAuth(door.url)
    with caplog.at_level(logging.DEBUG):
        async with client_with(auth) as client:
            await client.get(f"{door.url}/health")
            door.revoked.update(door.tokens)
            await client.get(f"{door.url}/health")
        on_google_cloud.email = "stranger@example.com"
        async with _recognizer(door) as recognizer:
            with pytest.raises(UsageError) as error:
                await recognizer.probe()

    said = "\n".join(
        [*(record.getMessage() for record in caplog.records), str(error.value), repr(error.value), repr(auth)]
    )
    assert len(set(door.tokens)) == 3
    assert caplog.records
    for token in door.tokens:
        header, payload, signature = token.split(".")
        assert payload not in said
        assert signature not in said
        assert header not in said

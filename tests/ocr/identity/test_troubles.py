"""Identity tokens in trouble: what google-auth and the servers behind it do on bad days."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import traceback
from pathlib import Path

import httpx
import pytest

from pagemill.errors import EndpointUnavailable, PagemillError, UsageError
from pagemill.ocr.identity.auth import IdTokenAuth
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer
from tests.ocr.identity.conftest import IDENTITY, NOBODY, Clock, Gcloud, client_with, set_metadata_server


async def test_while_renewals_fail_the_metadata_server_is_not_asked_for_every_page(
    on_google_cloud: MetadataServer, door: IamProxy, clock: Clock
) -> None:
    async with client_with(IdTokenAuth(door.url, clock=clock)) as client:
        await client.get(f"{door.url}/health")
        asked = on_google_cloud.requests[IDENTITY]
        clock.ahead = 3600 - 200
        on_google_cloud.status_of[IDENTITY] = 503
        for _ in range(10):
            assert (await client.get(f"{door.url}/health")).status_code == 200

    # google-auth asks five times, with 15 seconds of pauses; once a minute is enough
    assert on_google_cloud.requests[IDENTITY] - asked == 5


async def test_fifty_refusals_cost_one_renewal_though_the_metadata_server_gives_the_same_token_again(
    on_google_cloud: MetadataServer, door: IamProxy
) -> None:
    async with client_with(IdTokenAuth(door.url)) as client:
        await client.get(f"{door.url}/health")
        on_google_cloud.remembers = True
        door.revoked.update(door.tokens)
        answers = await asyncio.gather(*(client.get(f"{door.url}/health") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {401}
    assert on_google_cloud.requests[IDENTITY] <= 10  # some come later than the first renewal; not fifty


async def test_requests_that_wait_for_one_token_fail_together(on_google_cloud: MetadataServer, door: IamProxy) -> None:
    on_google_cloud.status_of[IDENTITY] = 503
    async with client_with(IdTokenAuth(door.url)) as client:
        outcomes = await asyncio.gather(*(client.get(f"{door.url}/health") for _ in range(8)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {EndpointUnavailable}
    assert on_google_cloud.requests[IDENTITY] == 5


async def test_a_cancelled_request_does_not_cancel_the_others_token(
    on_google_cloud: MetadataServer, door: IamProxy
) -> None:
    asked, gate = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        gate.wait(10)

    on_google_cloud.before_token = wait
    async with client_with(IdTokenAuth(door.url)) as client:
        first = asyncio.create_task(client.get(f"{door.url}/health"))
        second = asyncio.create_task(client.get(f"{door.url}/health"))
        await asyncio.to_thread(asked.wait, 10)
        first.cancel()
        await asyncio.wait([first])
        gate.set()
        assert (await second).status_code == 200

    assert on_google_cloud.requests[IDENTITY] == 1


async def test_another_origin_gets_no_authorization_at_all(door: IamProxy) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    headers = {"Authorization": "Bearer an API key"}
    async with httpx.AsyncClient(
        auth=IdTokenAuth(door.url), headers=headers, transport=httpx.MockTransport(answer)
    ) as client:
        await client.get("https://elsewhere.example/health")

    assert "Authorization" not in seen[0].headers


@pytest.mark.parametrize("garbage", ["<html>sign in</html>", "eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOjF9", "{}", ""])
async def test_an_answer_that_is_not_a_token_is_a_transient_error_and_is_not_quoted(
    on_google_cloud: MetadataServer, door: IamProxy, garbage: str
) -> None:
    on_google_cloud.bodies[IDENTITY] = garbage.encode()
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(EndpointUnavailable) as trouble:
            await client.get(f"{door.url}/health")

    assert "eyJ" not in _everything(trouble.value)


async def test_an_account_that_the_metadata_server_refuses_is_not_a_transient_error(
    on_google_cloud: MetadataServer, door: IamProxy
) -> None:
    on_google_cloud.status_of[IDENTITY] = 403
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError):
            await client.get(f"{door.url}/health")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_failing_token_uri_is_a_transient_error(
    signer: MetadataServer, door: IamProxy, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.json").write_text(json.dumps(signer.service_account_key()))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    signer.status_of["/token"] = status
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(EndpointUnavailable):
            await client.get(f"{door.url}/health")


async def test_a_key_that_was_deleted_is_not_a_transient_error(
    signer: MetadataServer, door: IamProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.json").write_text(json.dumps(signer.service_account_key()))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    signer.status_of["/token"] = 400
    signer.bodies["/token"] = b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError, match="invalid_grant: Invalid JWT Signature"):
            await client.get(f"{door.url}/health")


@pytest.mark.parametrize("content", ["", "{", '{"type": "service_account"}'])
async def test_a_broken_key_file_is_named_even_where_gcloud_has_a_login(
    door: IamProxy, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcloud: Gcloud
) -> None:
    gcloud("echo never asked")
    if content:
        (tmp_path / "key.json").write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError, match="GOOGLE_APPLICATION_CREDENTIALS"):
            await client.get(f"{door.url}/health")


_IAM = "/v1/projects/-/serviceAccounts/x@y.iam.gserviceaccount.com:generateIdToken"


@pytest.fixture
def impersonating(signer: MetadataServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MetadataServer:
    at = f"http://{signer.host}/v1/projects/-/serviceAccounts/{{}}:generateIdToken"
    monkeypatch.setattr("google.auth.iam._IAM_IDTOKEN_ENDPOINT", at)
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"http://{signer.host}/user")
    signer.bodies["/user"] = b'{"access_token": "ya29.user", "expires_in": 3600, "token_type": "Bearer"}'
    signer.status_of["/user"] = 200
    info = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": at.format("x@y.iam.gserviceaccount.com").replace("IdT", "AccessT"),
        "source_credentials": {
            "type": "authorized_user",
            "client_id": "c",
            "client_secret": "s",
            "refresh_token": "r",
        },
    }
    (tmp_path / "gcloud/application_default_credentials.json").write_text(json.dumps(info))
    return signer


async def test_a_gcloud_login_that_impersonates_gets_tokens(impersonating: MetadataServer, door: IamProxy) -> None:
    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200

    assert impersonating.requests[_IAM] == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (503, b'{"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}'),
        (429, b'{"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}'),
        (502, b"<html>Bad Gateway</html>"),
    ],
)
async def test_a_failing_impersonation_is_a_transient_error(
    impersonating: MetadataServer, door: IamProxy, status: int, said: bytes
) -> None:
    impersonating.status_of[_IAM], impersonating.bodies[_IAM] = status, said
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(EndpointUnavailable):
            await client.get(f"{door.url}/health")


async def test_an_impersonation_that_is_not_allowed_says_so(impersonating: MetadataServer, door: IamProxy) -> None:
    denied = "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist)."
    impersonating.status_of[_IAM] = 403
    impersonating.bodies[_IAM] = json.dumps(
        {"error": {"code": 403, "message": denied, "status": "PERMISSION_DENIED"}}
    ).encode()
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError, match=r"iam\.serviceAccounts\.getOpenIdToken"):
            await client.get(f"{door.url}/health")


@pytest.mark.usefixtures("impersonating")
async def test_an_impersonation_without_an_answer_is_a_transient_error(
    door: IamProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("google.auth.iam._IAM_IDTOKEN_ENDPOINT", f"http://{NOBODY}/{{}}")
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(EndpointUnavailable):
            await client.get(f"{door.url}/health")


async def test_a_gcloud_login_that_worked_before_may_work_again(
    signer: MetadataServer, door: IamProxy, clock: Clock, gcloud: Gcloud
) -> None:
    gcloud(f"echo {signer.token(door.url)}")
    async with client_with(IdTokenAuth(door.url, clock=clock)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200
        clock.ahead = 3600
        gcloud("echo 'Reauthentication required.' >&2; exit 1")
        with pytest.raises(EndpointUnavailable, match="Reauthentication required"):
            await client.get(f"{door.url}/health")
        gcloud(f"echo {signer.token(door.url)}")
        assert (await client.get(f"{door.url}/health")).status_code == 200


async def test_a_token_that_gcloud_prints_on_the_wrong_stream_is_not_quoted(
    signer: MetadataServer, door: IamProxy, gcloud: Gcloud
) -> None:
    gcloud(f"echo 'failed with {signer.token(door.url)}' >&2; exit 1")
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(UsageError, match="failed with") as error:
            await client.get(f"{door.url}/health")

    assert "eyJ" not in _everything(error.value)


async def test_what_gcloud_prints_instead_of_a_token_is_not_quoted(door: IamProxy, gcloud: Gcloud) -> None:
    gcloud("echo eyJhbGciOiJSUzI1NiJ9.eyJzZWNyZXQiOjF9")
    async with client_with(IdTokenAuth(door.url)) as client:
        with pytest.raises(PagemillError) as error:
            await client.get(f"{door.url}/health")

    assert "eyJ" not in _everything(error.value)


async def test_on_a_machine_of_google_without_its_variables_a_503_does_not_lead_to_gcloud(
    signer: MetadataServer, door: IamProxy, monkeypatch: pytest.MonkeyPatch, gcloud: Gcloud
) -> None:
    gcloud("echo gcloud was asked >&2; exit 1")
    set_metadata_server(monkeypatch, signer.host)
    signer.faults = [503]
    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200


async def test_a_users_login_without_a_quota_project_warns_of_nothing_and_asks_gcloud_for_the_token_alone(
    signer: MetadataServer, door: IamProxy, tmp_path: Path, gcloud: Gcloud
) -> None:
    client_id = "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com"  # gcloud's own
    user = {"type": "authorized_user", "client_id": client_id, "client_secret": "s", "refresh_token": "r"}
    (tmp_path / "gcloud/application_default_credentials.json").write_text(json.dumps(user))
    gcloud(f'echo "$*" >> {tmp_path}/asked; echo {signer.token(door.url)}')
    async with client_with(IdTokenAuth(door.url)) as client:
        assert (await client.get(f"{door.url}/health")).status_code == 200

    assert len((tmp_path / "asked").read_text().splitlines()) == 1


async def test_with_every_logger_at_debug_no_token_and_no_assertion_is_attached_to_a_record(
    signer: MetadataServer,
    door: IamProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "key.json").write_text(json.dumps(signer.service_account_key()))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    monkeypatch.setattr(logging.getLogger("google"), "propagate", True)
    for name in ("", "google", *logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    async with client_with(IdTokenAuth(door.url)) as client:
        await client.get(f"{door.url}/health")

    assert caplog.records
    assert not [record.name for record in caplog.records if "eyJ" in str(vars(record))]


def _everything(error: BaseException) -> str:
    """What a traceback shows."""
    return "".join(traceback.format_exception(error))

"""Google identity tokens for an endpoint that only lets invited accounts in: Cloud Run's IAM check.

They come from a service account's key, a metadata server (on Google Cloud), an impersonated service account, or, as the
last resort on a laptop, from the user's own gcloud login. Tokens are bearer secrets: they go to one origin, and into no
log and no message.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import google.auth
import httpx
import stamina
from google.auth import exceptions, impersonated_credentials, jwt
from google.auth.transport.requests import Request
from google.oauth2 import credentials as user_credentials
from google.oauth2 import id_token, service_account

from pagemill.errors import EndpointUnavailable, UsageError

_EARLY_SECONDS = 300.0  # a token is renewed so long before it expires
_GCLOUD_SECONDS = 60.0
_ON_GOOGLE_CLOUD = ("K_SERVICE", "CLOUD_RUN_JOB", "GCE_METADATA_HOST")  # Google's variables, not ours
_DISCOVERIES = 3
_HELP = (
    "type `gcloud auth login`, or, to act as a service account, "
    "`gcloud auth application-default login --impersonate-service-account=SERVICE_ACCOUNT_EMAIL`"
)


class TokenCredentials(Protocol):
    """Credentials of google-auth that hold an identity token once refreshed."""

    token: str

    def refresh(self, request: Request) -> None:
        """Get a token; blocks."""


class IdTokenAuth(httpx.Auth):
    """Adds an identity token to requests for one origin; others go without."""

    def __init__(
        self, url: str, *, key: Mapping[str, Any] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Configure; nothing is asked for yet.

        Args:
            url: Of the endpoint; its origin is the audience.
            key: A service account's, as in its JSON file; otherwise the machine's own credentials.
            clock: Tells the time, in seconds since 1970.
        """
        self.audience = _origin(httpx.URL(url))
        self._key = key
        self._clock = clock
        self._credentials: TokenCredentials | None = None
        self._token = ""
        self._claims: Mapping[str, Any] = {}
        self._renewing = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send with a token; on a 401, once more with a new one.

        Raises:
            EndpointUnavailable: There is no token for now.
            UsageError: There are no credentials that could get one.
        """
        if _origin(request.url) != self.audience:
            yield request
            return
        token = await self._valid_token()
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {await self._valid_token(refused=token)}"
            yield request

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Fail: tokens are shared by coroutines."""
        raise NotImplementedError("identity tokens are for asynchronous clients")

    def cure(self, status: int) -> str:
        """What to do when the endpoint refuses us with this status."""
        if status == HTTPStatus.FORBIDDEN:
            email = self._claims.get("email", "ACCOUNT")
            kind = "serviceAccount" if email.endswith(".gserviceaccount.com") else "user"
            return (
                f"let {email} in: gcloud run services add-iam-policy-binding SERVICE --region=REGION "
                f"--member={kind}:{email} --role=roles/run.invoker"
            )
        return (
            f"it got two identity tokens for {self.audience}; see that this is the service's own URL or one of its "
            f"custom audiences; for another account {_HELP}"
        )

    async def _valid_token(self, *, refused: str = "") -> str:
        async with self._renewing:
            expires = self._claims.get("exp", 0.0)
            if not self._token or self._token == refused or self._clock() > expires - _EARLY_SECONDS:
                try:
                    await self._renew()
                except EndpointUnavailable:
                    if self._token in {"", refused} or self._clock() >= expires:
                        raise  # otherwise what we have is still good
            return self._token

    async def _renew(self) -> None:
        try:
            if self._credentials is None:
                self._credentials = await asyncio.to_thread(_discover, self.audience, self._key)
            await asyncio.to_thread(self._credentials.refresh, Request())
        except exceptions.GoogleAuthError as error:
            transient = error.retryable or isinstance(error, exceptions.TransportError)
            if transient or isinstance(error.__cause__, exceptions.TransportError):
                raise EndpointUnavailable(f"no identity token for now: {error}") from error
            raise UsageError(f"no identity token for {self.audience}: {error}; {_HELP}") from error
        self._token = self._credentials.token
        self._claims = jwt.decode(self._token, verify=False)


class _GcloudLogin:
    """The account that a user logged in to gcloud with. Its tokens' audience is gcloud; Cloud Run takes them."""

    def __init__(self, program: str) -> None:
        self.token = ""
        self._command = [program, "auth", "print-identity-token", "--quiet"]

    def refresh(self, _: Request) -> None:
        try:
            done = subprocess.run(  # noqa: S603 -- gcloud itself, found on the path
                self._command, capture_output=True, text=True, timeout=_GCLOUD_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise exceptions.RefreshError(f"`gcloud auth print-identity-token` does not run: {error}") from error
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise exceptions.RefreshError(f"`gcloud auth print-identity-token` fails: {reason}")
        self.token = done.stdout.strip()


def _discover(audience: str, key: Mapping[str, Any] | None) -> TokenCredentials:
    """Find credentials that can get identity tokens; blocks.

    Raises:
        google.auth.exceptions.GoogleAuthError: There are none; TransportError: for now.
    """
    if key:
        return _of_key(audience, key)
    on_google_cloud = any(map(os.environ.get, _ON_GOOGLE_CLOUD))
    # Google's library takes one failing answer of the metadata server for its absence.
    patiently = stamina.RetryingCaller(attempts=_DISCOVERIES if on_google_cloud else 1, wait_initial=0.2)
    try:
        return patiently(exceptions.DefaultCredentialsError, _of_machine, audience)
    except exceptions.DefaultCredentialsError as error:
        if on_google_cloud and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            raise exceptions.TransportError("the metadata server does not answer as it should") from error
        if gcloud := shutil.which("gcloud"):
            return _GcloudLogin(gcloud)
        raise


def _of_machine(audience: str) -> TokenCredentials:
    """Application-default credentials; a user's own can get access tokens, but no identity tokens for an audience."""
    found, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    if isinstance(found, user_credentials.Credentials):
        raise exceptions.DefaultCredentialsError("a user's application-default credentials get no identity tokens")
    made: TokenCredentials
    if isinstance(found, impersonated_credentials.Credentials):
        made = impersonated_credentials.IDTokenCredentials(found, target_audience=audience, include_email=True)
    else:
        made = id_token.fetch_id_token_credentials(audience, request=Request())
    return made


def _of_key(audience: str, key: Mapping[str, Any]) -> TokenCredentials:
    try:
        made: TokenCredentials = service_account.IDTokenCredentials.from_service_account_info(
            key, target_audience=audience
        )
    except ValueError as error:
        raise exceptions.MalformedError(f"the key is none of a service account: {error}") from error
    return made


def _origin(url: httpx.URL) -> str:
    """Scheme, host and port, the port only where it is not the scheme's own."""
    return str(url.copy_with(path="/", query=None, fragment=None, userinfo=b"")).rstrip("/")

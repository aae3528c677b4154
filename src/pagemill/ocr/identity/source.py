"""Where identity tokens come from: a key, the machine's credentials, another issuer (federation), or a gcloud login.

Everything here blocks. No message contains a token, and no error has one of google-auth as its cause: google-auth
quotes answers, and answers contain tokens.
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
import stamina
from google.auth import exceptions as auth
from google.auth import impersonated_credentials
from google.auth._cloud_sdk import get_application_default_credentials_path
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from google.oauth2.id_token import fetch_id_token_credentials

from pagemill.config.environment import foreign_environment, google_credentials_file, on_google_cloud
from pagemill.errors import EndpointUnavailable, UsageError
from pagemill.ocr.identity import federation

HELP = (
    "type `gcloud auth login`, or, to act as a service account, "
    "`gcloud auth application-default login --impersonate-service-account=SERVICE_ACCOUNT_EMAIL`"
)
_GCLOUD_SECONDS = 30
_LONGEST_DETAIL = 300  # characters of another program's message that ours quotes
_SECRET = re.compile(r"(?:ey[A-Za-z]|ya29)[\w.=-]+")  # a token or a part of one
_BUSY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_BUSY_IAM = re.compile(r"'code': (?:408|429|5\d\d)\b")  # after a failed impersonation google-auth keeps only the text
_NOT_FOUND = "no key file, no metadata server, no impersonation in the application-default credentials"


class IdTokenSource:
    """Gets identity tokens for one audience; finds their source with the first one."""

    def __init__(self, audience: str, *, key: Mapping[str, Any] | None = None) -> None:
        self._audience = audience
        self._key = key
        self._source: Any = None  # google-auth's credentials, after they have given a token
        self._answers: list[int] = []  # statuses since the last call of `fetch`
        self._met_metadata_server = False
        self._help = HELP
        logging.getLogger(Request.__module__).addFilter(_holds_no_content)

    def fetch(self) -> str:
        """Ask for a token.

        Raises:
            EndpointUnavailable: There is no token for now.
            UsageError: There are no credentials, or they are refused.
        """
        with requests.Session() as session:
            session.hooks["response"].append(self._note)
            self._answers.clear()
            try:
                return self._ask(Request(session))
            except (auth.GoogleAuthError, OSError, ValueError, LookupError) as error:
                if _may_pass(error, self._last_answer):
                    raise EndpointUnavailable(f"no identity token for now: {_said(error)}") from None
                raise UsageError(f"no identity token for {self._audience}: {_said(error)}; {self._help}") from None

    def _ask(self, request: Request) -> str:
        source = self._source or (self._of_key(self._key) if self._key else self._found_source(request))
        self._answers.clear()
        try:
            source.refresh(request)
        except ValueError:  # the answer is not a token
            raise EndpointUnavailable("no identity token for now: the answer holds none") from None
        self._source = source
        return str(source.token)

    def _note(self, answer: requests.Response, **_: object) -> None:
        self._answers.append(answer.status_code)
        self._met_metadata_server |= answer.headers.get("Metadata-Flavor") == "Google"

    @property
    def _last_answer(self) -> int:
        return self._answers[-1] if self._answers else 0

    def _of_key(self, key: Mapping[str, Any]) -> Any:
        try:
            return service_account.IDTokenCredentials.from_service_account_info(key, target_audience=self._audience)
        except ValueError as error:
            raise auth.DefaultCredentialsError(f"the key is not that of a service account: {error}") from None

    @stamina.retry(on=EndpointUnavailable, attempts=3)
    def _found_source(self, request: Request) -> Any:
        named = federation.read_credentials(google_credentials_file())
        if named.get("type") == federation.TYPE:
            return self._federated(named)
        try:
            return fetch_id_token_credentials(self._audience, request=request)
        except auth.DefaultCredentialsError as error:
            if str(error.args[0]).startswith("GOOGLE_APPLICATION_CREDENTIALS"):
                raise  # the file that it names is broken: do not look for other credentials
            # google-auth takes a metadata server that answers 503 for none.
            refused = self._met_metadata_server and _is_refusal(self._last_answer)  # it has no service account
            if on_google_cloud() or (self._met_metadata_server and not refused):
                raise EndpointUnavailable("no identity token for now: the metadata server gives no answer") from None
        # google.auth.default() reads this file, too, but would look for a metadata server again and call gcloud.
        info = federation.read_credentials(Path(get_application_default_credentials_path()))
        if info.get("type") == federation.TYPE:
            return self._federated(info)
        if info.get("type") == "impersonated_service_account":
            target = impersonated_credentials.Credentials.from_impersonated_service_account_info(info)
            return impersonated_credentials.IDTokenCredentials(target, self._audience, include_email=True)
        return _GcloudLogin()

    def _federated(self, info: Mapping[str, Any]) -> Any:
        self._help = federation.advice(info)
        return federation.federated_credentials(info, self._audience)


class _GcloudLogin:
    """The user who is logged in with gcloud, as credentials of google-auth; Cloud Run accepts gcloud's own audience."""

    token = ""

    def refresh(self, _: Request) -> None:
        gcloud = shutil.which("gcloud")
        if not gcloud:
            raise auth.DefaultCredentialsError(f"{_NOT_FOUND}, and gcloud is not installed")
        command = [gcloud, "auth", "print-identity-token", "--quiet"]
        try:
            done = subprocess.run(  # noqa: S603 -- no word of it comes from outside
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env=foreign_environment(),
                timeout=_GCLOUD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EndpointUnavailable(f"no identity token for now: gcloud took {_GCLOUD_SECONDS} s") from None
        if done.returncode == 0 and done.stdout.strip():
            self.token = done.stdout.strip()
            return
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        if self.token:  # it worked before: perhaps the network, or a login that its user can renew while we wait
            raise EndpointUnavailable(f"no identity token for now: gcloud says: {_clean(said)}")
        raise auth.DefaultCredentialsError(f"{_NOT_FOUND}, and gcloud says: {said}")


def _is_refusal(status: int) -> bool:
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _BUSY


def _may_pass(error: BaseException | None, status: int) -> bool:
    """Whether a retry may help: there was no answer, or one that says so."""
    if getattr(error, "retryable", False) or status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return True
    if _is_refusal(status) and status != HTTPStatus.NOT_FOUND:  # a metadata server answers 404 before it is ready
        return False
    if _BUSY_IAM.search(str(error)):
        return True
    while error and not isinstance(error, (auth.TransportError, auth.TimeoutError, requests.RequestException)):
        error = error.__cause__
    return error is not None


def _said(error: BaseException) -> str:
    """The first line of google-auth's message; whole answers may follow it."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    return _clean((str(error.args[0] if error.args else "").splitlines() or [type(error).__name__])[0])


def _clean(text: str) -> str:
    text = _SECRET.sub("[token]", " ".join(text.split()))
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}…"


def _holds_no_content(record: logging.LogRecord) -> bool:
    """At level DEBUG google-auth attaches requests and answers; it hides most tokens in them, but not all."""
    return not (hasattr(record, "httpRequest") or hasattr(record, "httpResponse"))

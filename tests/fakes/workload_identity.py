"""Workload identity federation over HTTP: the caller's own issuer of tokens, Google's STS, and IAM Credentials.

Each checks what the one before it gave, so only whoever asks all three gets an identity token.
"""

from __future__ import annotations

import json
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.loopback_server import LoopbackServer
from tests.fakes.metadata_server import MetadataServer

ACCOUNT = "pagemill-caller@my-project.iam.gserviceaccount.com"
_POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github/providers/github"
_REQUEST, _SUBJECT, _FEDERATED = "a-request-token", "eyJsubject.of.github", "ya29.d.federated"
_JWT = "urn:ietf:params:oauth:token-type:jwt"


class WorkloadIdentity(LoopbackServer):
    """Listens on a free loopback port until its context ends."""

    def __init__(self, signer: MetadataServer) -> None:
        """Configure.

        Args:
            signer: Signs the identity tokens.
        """
        self.requests: Counter[str] = Counter()  # by path, without the query
        self.status_of: dict[str, int] = {}  # of the answers for a path, instead of the usual ones
        self.may_act = True  # whether the pool may act as the account
        self._signer = signer
        super().__init__(self._handler())

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}"

    @property
    def generate_id_token(self) -> str:
        """The pattern of IAM Credentials' URL; the account is left open."""
        return f"{self.url}/v1/projects/-/serviceAccounts/{{}}:generateIdToken"

    def credentials(self, account: str = ACCOUNT) -> dict[str, Any]:
        """The file that google-github-actions/auth writes; without an account, as with direct federation."""
        impersonated = f"{self.url}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        return {
            "type": "external_account",
            "audience": _POOL,
            "subject_token_type": _JWT,
            "token_url": f"{self.url}/v1/token",
            "credential_source": {
                "url": f"{self.url}/oidc?audience=x",
                "headers": {"Authorization": f"Bearer {_REQUEST}"},
                "format": {"type": "json", "subject_token_field_name": "value"},
            },
        } | ({"service_account_impersonation_url": impersonated} if account else {})

    def answer(self, path: str, bearer: str, body: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a request."""
        self.requests[path] += 1
        if path in self.status_of:
            return self.status_of[path], {"error": {"code": self.status_of[path], "message": "by the test"}}
        if path == "/oidc":
            return (200, {"value": _SUBJECT}) if bearer == _REQUEST else (401, {})
        if path == "/v1/token":
            asked = {name: values[0] for name, values in parse_qs(body).items()}
            if not {"audience": _POOL, "subject_token": _SUBJECT, "subject_token_type": _JWT}.items() <= asked.items():
                said = f"not our token: {asked.get('subject_token')}"
                return 400, {"error": "invalid_grant", "error_description": said}
            kind = "urn:ietf:params:oauth:token-type:access_token"
            given = {"access_token": _FEDERATED, "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3600}
            return 200, given
        if path == f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateIdToken":
            return self._identity_token(bearer, json.loads(body))
        return 404, {"error": {"code": 404, "message": path}}

    def _identity_token(self, bearer: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if bearer != _FEDERATED:
            return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no valid credentials"}}
        if not self.may_act:
            said = "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist)."
            return 403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": said}}
        claims = {"email": ACCOUNT} if asked["includeEmail"] else {}
        return 200, {"token": self._signer.token(asked["audience"], **claims)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
                status, answer = fake.answer(urlsplit(self.path).path, bearer, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _reply  # noqa: N815 -- names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler

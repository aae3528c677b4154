"""A Google metadata server that signs identity tokens, as far as google-auth uses it; also a token URI for keys.

The tokens are real JWTs of a throwaway key: who knows `public_pem` can verify them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from tests.fakes.loopback_server import LoopbackServer

EMAIL = "runner@project.iam.gserviceaccount.com"
_ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"


class MetadataServer(LoopbackServer):
    """Listens on a free loopback port until its context ends."""

    def __init__(
        self, *, email: str = EMAIL, lifetime_seconds: float = 3600.0, clock: Callable[[], float] = time.time
    ) -> None:
        """Configure."""
        self.email = email
        self.lifetime_seconds = lifetime_seconds
        self.clock = clock
        self.requests: Counter[str] = Counter()
        self.faults: list[int] = []  # statuses of the next answers
        self.broken: int = 0  # status of all answers, if any
        self.bodies: dict[str, bytes] = {}  # of the answers for a path, instead of the usual ones
        self.status_of: dict[str, int] = {}  # of the answers for a path, instead of the usual ones
        self.remembers = False  # whether an audience gets the same token again
        self._tokens: dict[str, str] = {}
        self.before_token: Callable[[], object] = lambda: None  # runs while a token is being made
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.private_pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.public_pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._signer = crypt.RSASigner.from_string(self.private_pem)
        super().__init__(self._handler())

    def token(self, audience: str, **claims: Any) -> str:
        """Sign a token, or return the remembered one."""
        if not (self.remembers and audience in self._tokens):
            self._tokens[audience] = self._signed(audience, **claims)
        return self._tokens[audience]

    def _signed(self, audience: str, **claims: Any) -> str:
        now = int(self.clock())
        payload = {
            "iss": "https://accounts.google.com",
            "aud": audience,
            "sub": "1",
            "email": self.email,
            "email_verified": True,
            "iat": now,
            "exp": int(now + self.lifetime_seconds),
            "nonce": self.requests.total(),  # two tokens of one second differ
            **claims,
        }
        signed: bytes = jwt.encode(self._signer, payload)
        return signed.decode()

    def service_account_key(self) -> dict[str, str]:
        """A key file's content whose token URI is this server."""
        return {
            "type": "service_account",
            "client_email": self.email,
            "private_key": self.private_pem,
            "private_key_id": "1",
            "token_uri": f"http://{self.host}/token",
            "project_id": "project",
        }

    def answer(self, path: str, body: bytes) -> tuple[int, bytes, str]:
        """Status, body and content type for a request."""
        url = urlsplit(path)
        self.requests[url.path] += 1
        if status := self.faults.pop(0) if self.faults else self.broken:
            return status, b"on order", "text/plain"
        if url.path in self.status_of or url.path in self.bodies:
            return (
                self.status_of.get(url.path, 200),
                self.bodies.get(url.path, b"<html>an error page</html>"),
                "text/html",
            )
        if url.path == f"{_ACCOUNT}/identity":
            self.before_token()
            return 200, self.token(parse_qs(url.query)["audience"][0]).encode(), "application/text"
        if url.path == "/token":
            asked = jwt.decode(parse_qs(body.decode())["assertion"][0], verify=False)
            access = {"access_token": "an access token", "expires_in": 3600, "token_type": "Bearer"}
            made = {"id_token": self.token(asked["target_audience"])} if "target_audience" in asked else access
            return 200, json.dumps(made).encode(), "application/json"
        if url.path.startswith("/v1/projects/-/serviceAccounts/"):  # of the IAM credentials service
            token = self.token(json.loads(body)["audience"])
            return 200, json.dumps({"token": token}).encode(), "application/json"
        found = {
            "/": "",
            "/computeMetadata/v1/project/project-id": "project",
            f"{_ACCOUNT}/": json.dumps({"email": self.email, "scopes": []}),
        }.get(url.path)
        return (404, b"", "text/plain") if found is None else (200, found.encode(), _type_of(found))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer, content_type = fake.answer(self.path, body)
                self.send_response(status)
                for name, value in {"Metadata-Flavor": "Google", "Content-Type": content_type}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = _reply  # noqa: N815 -- names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler


def _type_of(text: str) -> str:
    return "application/json" if text.startswith("{") else "text/plain"

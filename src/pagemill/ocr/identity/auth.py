"""Identity tokens for a private endpoint: cached, renewed, and sent to one origin only."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from pagemill.errors import EndpointUnavailable
from pagemill.ocr.identity.source import HELP, IdTokenSource

_JWT = re.compile(r"[\w-]+(\.[\w-]+){2}", re.ASCII)
_EARLY_SECONDS = 300  # a token is renewed this long before it expires
_PAUSE_SECONDS = 60  # between renewals, unless a 401 asks for one


@dataclass(frozen=True, eq=False)
class _Token:
    jwt: str = field(repr=False)
    expires: float
    email: str


class IdTokenAuth(httpx.Auth):
    """Adds an identity token to requests to one service; requests to any other origin get none."""

    def __init__(
        self,
        url: str,
        *,
        also: Iterable[str] = (),
        key: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Configure; no token is requested before the first request.

        Args:
            url: The endpoint; its origin is the tokens' audience.
            also: Other URLs of the same service, such as that of a revision with a traffic tag: the audience of their
                tokens is the service's own URL.
            key: A service account's key, as in its JSON file; None: the machine's own credentials.
            clock: Seconds since 1970.
        """
        self.audience = _origin(httpx.URL(url))
        self._origins = {self.audience, *(_origin(httpx.URL(other)) for other in also)}
        self._source = IdTokenSource(self.audience, key=key)
        self._clock = clock
        self._token: _Token | None = None
        self._renew_at = 0.0
        self._renewal: asyncio.Task[_Token] | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:  # noqa: ARG002
        """Raise: this works with httpx.AsyncClient only, whose coroutines share a token."""
        raise RuntimeError("identity tokens are for httpx.AsyncClient")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send with a token; after a 401, once more with a new one.

        Raises:
            EndpointUnavailable: There is no token for now.
            UsageError: There are no credentials, or they are refused.
        """
        if _origin(request.url) not in self._origins:
            request.headers.pop("Authorization", None)
            yield request
            return
        token = await self._valid()
        request.headers["Authorization"] = f"Bearer {token.jwt}"
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {(await self._valid(refused=token)).jwt}"
            yield request

    def advice(self, status: int) -> str:
        """What to do when the endpoint answers 401 or 403."""
        if status == HTTPStatus.FORBIDDEN:
            email = (self._token.email if self._token else "") or "ACCOUNT"
            kind = "serviceAccount" if email.endswith(".gserviceaccount.com") else "user"
            return (
                f"grant {email} access: gcloud run services add-iam-policy-binding SERVICE --region=REGION "
                f"--member={kind}:{email} --role=roles/run.invoker"
            )
        return (
            f"it refused two identity tokens for {self.audience}; check that this is the service's own URL or one of "
            f"its custom audiences; to use another account, {HELP}"
        )

    async def _valid(self, refused: _Token | None = None) -> _Token:
        held = self._token
        if held and held is not refused and self._clock() < self._renew_at:
            return held
        # A task, not a lock: all waiting requests share its failure, and it continues when one of them is cancelled.
        self._renewal = self._renewal or asyncio.create_task(self._renew())
        try:
            return await asyncio.shield(self._renewal)
        except EndpointUnavailable:
            if held and held is not refused and self._clock() < held.expires:
                return held
            raise

    async def _renew(self) -> _Token:
        try:
            self._token = _parsed(await asyncio.to_thread(self._source.fetch))
            # With a wrong clock, or a metadata server that repeats a token, a token is not requested for every page.
            self._renew_at = max(self._token.expires - _EARLY_SECONDS, self._clock() + _PAUSE_SECONDS)
        except EndpointUnavailable:
            self._renew_at = min(self._clock() + _PAUSE_SECONDS, self._token.expires if self._token else 0.0)
            raise
        else:
            return self._token
        finally:
            self._renewal = None


def _parsed(jwt: str) -> _Token:
    if not _JWT.fullmatch(jwt):  # a header with a line end in it would be quoted in an error
        raise EndpointUnavailable("no identity token for now: the answer holds none")
    try:
        payload = json.loads(base64.urlsafe_b64decode(jwt.split(".")[1] + "=="))
        return _Token(jwt, float(payload["exp"]), str(payload.get("email", "")))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise EndpointUnavailable("no identity token for now: the answer holds none") from None


def _origin(url: httpx.URL) -> str:
    """Scheme, host, and port unless it is the scheme's default, all normalised by httpx."""
    return f"{url.scheme}://{url.netloc.decode()}"

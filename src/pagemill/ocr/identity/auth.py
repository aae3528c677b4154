"""Identity tokens for an endpoint that lets only invited accounts in: cached, renewed, and shown to one origin."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from pagemill.errors import EndpointUnavailable
from pagemill.ocr.identity.source import HELP, IdTokenSource

_EARLY_SECONDS = 300  # before a token's end it is renewed
_PAUSE_SECONDS = 60  # between renewals that no 401 asks for


@dataclass(frozen=True, eq=False)
class _Token:
    jwt: str = field(repr=False)
    expires: float
    email: str


class IdTokenAuth(httpx.Auth):
    """Shows requests to one service an identity token; requests to any other origin leave without."""

    def __init__(
        self,
        url: str,
        *,
        also: Iterable[str] = (),
        key: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Configure; nobody is asked for a token before the first request.

        Args:
            url: The endpoint; its origin is the tokens' audience.
            also: Other URLs of the same service, such as that of a revision with a traffic tag: the audience of their
                tokens is the service's own URL.
            key: A service account's, as in its JSON file; otherwise the machine's own credentials.
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
        """Refuse: coroutines share a token, and wait for it together."""
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

    def cure(self, status: int) -> str:
        """What to do when the endpoint refuses us with this status."""
        if status == HTTPStatus.FORBIDDEN:
            email = (self._token.email if self._token else "") or "ACCOUNT"
            kind = "serviceAccount" if email.endswith(".gserviceaccount.com") else "user"
            return (
                f"let {email} in: gcloud run services add-iam-policy-binding SERVICE --region=REGION "
                f"--member={kind}:{email} --role=roles/run.invoker"
            )
        return (
            f"it was sent two identity tokens for {self.audience}; see that this is the service's own URL or one of "
            f"its custom audiences; as another account: {HELP}"
        )

    async def _valid(self, refused: _Token | None = None) -> _Token:
        held = self._token
        if held and held is not refused and self._clock() < self._renew_at:
            return held
        # A task, not a lock: those who wait share its failure, too, and it goes on when one of them is cancelled.
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
            # A clock that is wrong, or a metadata server that gives the same token again, is not asked for every page.
            self._renew_at = max(self._token.expires - _EARLY_SECONDS, self._clock() + _PAUSE_SECONDS)
        except EndpointUnavailable:
            self._renew_at = min(self._clock() + _PAUSE_SECONDS, self._token.expires if self._token else 0.0)
            raise
        else:
            return self._token
        finally:
            self._renewal = None


def _parsed(jwt: str) -> _Token:
    try:
        payload = json.loads(base64.urlsafe_b64decode(jwt.split(".")[1] + "=="))
        return _Token(jwt, float(payload["exp"]), str(payload.get("email", "")))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise EndpointUnavailable("no identity token for now: the answer holds none") from None


def _origin(url: httpx.URL) -> str:
    """Scheme, host, and port where it is not the scheme's own: httpx spells them all in one way."""
    return f"{url.scheme}://{url.netloc.decode()}"

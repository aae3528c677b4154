"""The URLs of services: each with TLS and a check of identity tokens by the service's own IAM policy, as it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import trustme
from google.auth import exceptions, jwt

from tests.fakes.front_door import FrontDoor
from tests.fakes.metadata_server import MetadataServer

Result = TypeVar("Result")


class Door(FrontDoor):
    """One URL. Where it leads and whom it lets in is looked up for each request."""

    def __init__(
        self,
        signer: MetadataServer,
        folder: Path,
        authority: trustme.CA,
        *,
        audience: Callable[[], str],
        leads_to: Callable[[], str],
        lets_in: Callable[[str], bool],
    ) -> None:
        """Configure.

        Args:
            signer: Whose tokens are good.
            folder: For the authority's file.
            authority: Signs the certificate.
            audience: The service's URL, for which tokens have to be.
            leads_to: URL of the server behind it; empty: there is none.
            lets_in: Decides about an account; the empty one is a caller without a token.
        """
        super().__init__("", signer, folder, authority=authority)
        self.lets_anybody_in = False  # on order, whatever the policy says
        self._audience = audience
        self._leads_to = leads_to
        self._lets_in = lets_in

    @property
    def _behind(self) -> SplitResult:
        return urlsplit(self._leads_to())

    @_behind.setter
    def _behind(self, _: SplitResult) -> None:
        """It changes with the traffic."""

    def evaluate(self, authorization: str) -> int:
        """Cloud Run's answers: 403 to a caller without a token, 401 to one with a bad one."""
        if self.lets_anybody_in or self._lets_in(""):
            return 200
        scheme, _, token = authorization.partition(" ")
        self.tokens.append(token)
        if not authorization:
            return 403
        try:
            claims = jwt.decode(
                token, certs=self._signer.public_pem, audience=self._audience(), clock_skew_in_seconds=10**10
            )
        except (ValueError, exceptions.GoogleAuthError):
            return 401
        if scheme.lower() != "bearer" or claims["exp"] < self._signer.clock():
            return 401
        return 200 if self._lets_in(claims["email"]) else 403

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        if not self._leads_to():
            return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        return await super()._forward(head, body)


class Street:
    """An event loop in a thread of its own, where doors and servers live."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: list[Any] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything."""
        for opened in reversed(self._open):
            self.run(opened.__aexit__(None, None, None))
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, context: Result) -> Result:
        """Open what is an asynchronous context; it is closed at the end."""
        self.run(context.__aenter__())  # type: ignore[attr-defined] # it is one
        self._open.append(context)
        return context

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run on the loop, and wait."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

"""The URLs of services: each with TLS and a check of identity tokens against the service's current IAM policy."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import trustme
from google.auth import exceptions, jwt

from tests.fakes.google_cloud.monitoring import Served
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer

Result = TypeVar("Result")


class CloudRunUrl(IamProxy):
    """One URL of a service. Its backend and its invokers are looked up for each request."""

    def __init__(
        self,
        signer: MetadataServer,
        folder: Path,
        authority: trustme.CA,
        *,
        audience: Callable[[], str],
        backend: Callable[[], tuple[str, str]],
        invokers: Callable[[], Callable[[str], bool]],
        count: Callable[[Served], None],
        not_found: int = 0,
    ) -> None:
        """Store the configuration.

        Args:
            signer: Signer of the valid tokens.
            folder: Where the authority's file is written.
            authority: Signs the certificate.
            audience: Returns the service's URL, the audience that tokens must have.
            backend: Returns, for one request, a revision and the URL of its server; empty: there is none.
            invokers: Returns, for one request, a function that says whether an account may invoke the service; the
                empty account is a caller without a token.
            count: Called with each request that a revision has answered.
            not_found: Requests that are answered with 404 first: a new URL is not known everywhere at once.
        """
        super().__init__("", signer, folder, authority=authority)
        self.public = False  # set by a test, regardless of the policy
        self._audience = audience
        self._backend = backend
        self._count = count
        self._invokers_now = invokers
        self.not_found = not_found

    def status_for(self, authorization: str) -> int:
        """Cloud Run's answers: 403 to a caller without a token, 401 to one with a bad one."""
        if self.not_found:
            self.not_found -= 1
            return 404
        may_invoke = self._invokers_now()
        if self.public or may_invoke(""):
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
        return 200 if may_invoke(claims["email"]) else 403

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        revision, url = self._backend()
        if not url:
            return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        started = asyncio.get_running_loop().time()
        answer = await self._forward_to(urlsplit(url), head, body)
        seconds = asyncio.get_running_loop().time() - started
        self._count(Served(revision, int(answer.split(b" ", 2)[1]), seconds, dt.datetime.now(dt.UTC)))
        return answer


class LoopThread:
    """An event loop in a thread of its own, for service URLs and servers."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: list[Any] = []

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything."""
        for opened in reversed(self._open):
            self.run(opened.__aexit__(None, None, None))
        self.run(_cancel_all())
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, context: Result) -> Result:
        """Enter an asynchronous context on the loop; it is closed by `stop`."""
        self.run(context.__aenter__())  # type: ignore[attr-defined] # it is one
        self._open.append(context)
        return context

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the loop, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)


async def _cancel_all() -> None:
    """Cancel what is still under way, as handshakes of connections that are no longer wanted."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)

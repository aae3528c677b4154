"""A proxy like Cloud Run's: TLS, and an IAM check that really verifies identity tokens, before an HTTP service."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlsplit

import trustme
from google.auth import exceptions, jwt

from tests.fakes.metadata_server import EMAIL, MetadataServer


class IamProxy:
    """Listens on a free loopback port. `ca_file` is the certificate authority to trust."""

    def __init__(
        self,
        behind: str,
        signer: MetadataServer,
        folder: Path,
        *,
        invokers: frozenset[str] = frozenset({EMAIL}),
        authority: trustme.CA | None = None,
    ) -> None:
        """Store the configuration.

        Args:
            behind: URL of the service.
            signer: Signer of the valid tokens; its clock decides whether they have expired.
            folder: Where `ca_file` is written.
            invokers: Accounts that may invoke the service.
            authority: Signs the certificate; None: a new one.
        """
        self.outcomes: Counter[int] = Counter()  # requests by status: 200 (forwarded), 401, 403
        self.tokens: list[str] = []  # in the order of the requests
        self.revoked: set[str] = set()
        self.moved_to = ""  # redirect every request to this URL
        self._behind = urlsplit(behind)
        self._signer = signer
        self._invokers = invokers
        authority = authority or trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self._tls)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls, limit=2**24)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    @property
    def url(self) -> str:
        """The service's URL for its callers."""
        assert self._server
        return f"https://localhost:{self._server.sockets[0].getsockname()[1]}"

    def status_for(self, authorization: str) -> int:
        """200 for an invoker's valid token for this service, 403 for another account's valid token, otherwise 401."""
        scheme, _, token = authorization.partition(" ")
        self.tokens.append(token)
        if scheme.lower() != "bearer" or token in self.revoked:
            return 401
        try:
            claims = jwt.decode(token, certs=self._signer.public_pem, audience=self.url, clock_skew_in_seconds=10**10)
        except (ValueError, exceptions.GoogleAuthError):
            return 401
        if claims["exp"] < self._signer.clock():
            return 401
        return 200 if claims["email"] in self._invokers else 403

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while True:
                    head, headers, body = await _message(reader)
                    status = self.status_for(headers.get("authorization", ""))
                    self.outcomes[status] += 1
                    writer.write(await self._forward(head, body) if status == 200 else _refusal(status, self.moved_to))
                    await writer.drain()
        finally:
            self._connections.discard(task)
            writer.transport.abort()  # closing gracefully could outlast a test's event loop

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        if self.moved_to:
            return _refusal(307, self.moved_to)
        return await self._forward_to(self._behind, head, body)

    async def _forward_to(self, behind: SplitResult, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(behind.hostname, behind.port, limit=2**24)
        try:
            writer.write(head + body)
            answer, _, content = await _message(reader)
        finally:
            writer.transport.abort()
        return answer + content


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, str], bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return head, headers, await reader.readexactly(int(headers.get("content-length", 0)))


def _refusal(status: int, location: str) -> bytes:
    body = f"<html><title>{status}</title>Your client does not have permission to get this URL.</html>".encode()
    where = f"Location: {location}\r\n" if status == 307 else ""
    head = f"HTTP/1.1 {status} By the test\r\nContent-Type: text/html\r\n{where}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body

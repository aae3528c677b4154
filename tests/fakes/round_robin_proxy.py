"""A TCP proxy in front of several servers, like nginx.conf: round robin, skipping servers that refuse connections.

It can be cut: its servers then are away for its callers, while others reach them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 2**16


class RoundRobinProxy:
    """Forwards connections from a free loopback port."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.forwarded: Counter[int] = Counter()  # connections, by the server's port
        self.port = 0
        self._ports = ports
        self._turn = itertools.cycle(range(len(ports)))
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._cut = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
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

    def cut(self, seconds: float | None = None) -> None:
        """Break all connections, and each new one.

        Args:
            seconds: For how long; None: until `mend`.
        """
        self._cut = True
        for connection in self._connections:
            connection.cancel()
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self.mend)

    def mend(self) -> None:
        """Forward connections again."""
        self._cut = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                if not self._cut:
                    await self._forward(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(self._turn)
        for port in (*self._ports[first:], *self._ports[:first]):
            with contextlib.suppress(ConnectionRefusedError):
                behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            return
        self.forwarded[port] += 1
        pumps = [asyncio.create_task(_pump(reader, behind_writer)), asyncio.create_task(_pump(behind_reader, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            behind_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()

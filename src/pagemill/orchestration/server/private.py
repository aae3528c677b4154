"""A Prefect server for one run, used if no server is configured. It ends with its parent process, even a killed one.

Prefect can start such a server itself, but that one goes on when its parent is killed. This one reads its standard
input, which is closed when the parent ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import uvicorn
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from pagemill.config.environment import child_environment
from pagemill.errors import UsageError

_START_SECONDS = 120.0  # the first start creates the database
_STOP_SECONDS = 5

_kept: list[subprocess.Popen[bytes]] = []  # keeps their standard input open as long as this process lives


@contextlib.asynccontextmanager
async def prefect_api() -> AsyncIterator[None]:
    """Provide a Prefect API: the configured server, or a private one.

    Raises:
        UsageError: The private server does not start.
    """
    if get_current_settings().api.url:
        yield
        return
    with temporary_settings({PREFECT_API_URL: await _start()}):
        yield  # the server goes on after the context: Prefect sends its last events when the process ends


def is_private() -> bool:
    """Whether this process has started its own server, which no other run uses."""
    return bool(_kept)


async def _start() -> str:
    process = subprocess.Popen(  # noqa: ASYNC220 -- outlives the event loop; our own interpreter and module
        [sys.executable, "-P", "-m", "pagemill.orchestration.server.private"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
        process_group=0,  # Ctrl-C must not stop it: the run then still reports to it
    )
    _kept.append(process)
    assert process.stdout  # noqa: S101 -- for mypy: it is a pipe
    line = b""
    with contextlib.suppress(TimeoutError):
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), _START_SECONDS)
    if not line:
        process.kill()
        raise UsageError(
            "the private Prefect server does not start; type `prefect server start` to see why, or set PREFECT_API_URL "
            "to the URL of another server"
        )
    return line.decode().strip()


class _Server(uvicorn.Server):
    """Prints its URL once it answers, and stops when standard input ends."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, database migrations included."""
        await super().startup(sockets)
        if self.started and sockets:
            sys.stdout.write(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/api\n")
            sys.stdout.flush()
            threading.Thread(target=self._stop_with_parent, daemon=True).start()

    def _stop_with_parent(self) -> None:
        while os.read(0, 4096):
            pass
        self.should_exit = True


def main() -> None:
    """Serve Prefect's API until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        lifespan="on",
        log_level="error",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    _Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()

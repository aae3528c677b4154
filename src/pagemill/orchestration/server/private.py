"""A Prefect server for one run, where none is configured: it ends with the process that started it, whatever ends that.

Prefect starts such a server by itself, but leaves it behind when its parent is killed. This one watches its standard
input, which closes with the parent.
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

_START_SECONDS = 120.0  # the first start makes the database
_STOP_SECONDS = 5

_kept: list[subprocess.Popen[bytes]] = []  # their standard input stays open for as long as this process lives


@contextlib.asynccontextmanager
async def prefect_api() -> AsyncIterator[None]:
    """Make sure that there is a Prefect API: the configured one, or a private server.

    Raises:
        UsageError: The private server does not start.
    """
    if get_current_settings().api.url:
        yield
        return
    with temporary_settings({PREFECT_API_URL: await _start()}):
        yield  # the server outlives the context: Prefect sends its last events when the process ends


def is_private() -> bool:
    """Tell whether this process started the server that it uses: then no other run has it."""
    return bool(_kept)


async def _start() -> str:
    process = subprocess.Popen(  # noqa: ASYNC220 -- outlives the event loop; our own interpreter and module
        [sys.executable, "-P", "-m", "pagemill.orchestration.server.private"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
        process_group=0,  # Ctrl-C is for the run, which then has something to tell the server
    )
    _kept.append(process)
    assert process.stdout  # noqa: S101 -- for mypy: it is a pipe
    line = b""
    with contextlib.suppress(TimeoutError):
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), _START_SECONDS)
    if not line:
        process.kill()
        raise UsageError(
            "Prefect's server does not start; see why with `prefect server start`, or set PREFECT_API_URL to another"
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

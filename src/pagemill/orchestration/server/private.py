"""A Prefect server for one run, used if no server is configured. It ends with its parent process, even a killed one.

Prefect can start such a server itself, but that one goes on when its parent is killed. This one reads its standard
input, which is closed when the parent ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from typing import IO

import uvicorn
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from pagemill.config.environment import child_environment
from pagemill.errors import UsageError
from pagemill.orchestration.server.shared import check_server, configured_url

_START_SECONDS = 300.0  # the first start creates the database; several starts wait for each other
_STOP_SECONDS = 5
_ERROR = re.compile(r"[\w.]+(Error|Exception): ")  # the last line of a traceback
_LOCK = "pagemill-server.lock"  # in Prefect's folder

_kept: list[subprocess.Popen[bytes]] = []  # keeps their standard input open as long as this process lives


@contextlib.asynccontextmanager
async def prefect_api() -> AsyncIterator[None]:
    """Provide a Prefect API: the configured server, or a private one.

    Raises:
        UsageError: The configured server does not answer, or the private one does not start.
    """
    if configured_url():
        await check_server()
        yield
        return
    with temporary_settings({PREFECT_API_URL: await _start()}):
        yield  # the server goes on after the context: Prefect sends its last events when the process ends


def is_private() -> bool:
    """Whether this process has started its own server, which no other run uses."""
    return bool(_kept)


def has_ended() -> bool:
    """Whether this process has started its own server, and that was killed: nobody will answer again."""
    return is_private() and all(process.poll() is not None for process in _kept)


async def _start() -> str:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: ASYNC220 -- outlives the event loop; our own interpreter and module
            [sys.executable, "-P", "-m", "pagemill.orchestration.server.private"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**child_environment(), "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR"},  # into `said`
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
                f"the private Prefect server does not start: {_reason(said)}; type `prefect server start` to see "
                "more, or set PREFECT_API_URL to the URL of another server"
            )
        return line.decode().strip()


def _reason(said: IO[bytes]) -> str:
    """The last error that the server said before it ended; without one, its last line."""
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or ["it said nothing"])[-1]


class _Server(uvicorn.Server):
    """Prints its URL once it answers, and stops when standard input ends."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, database migrations included."""
        threading.Thread(target=self._stop_with_parent, daemon=True).start()
        with _one_at_a_time():
            await super().startup(sockets)
        if self.started and sockets:
            sys.stdout.write(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/api\n")
            sys.stdout.flush()

    def _stop_with_parent(self) -> None:
        while os.read(0, 4096):
            pass
        if not self.started:  # it may wait for other servers, or they for it
            os._exit(1)
        self.should_exit = True


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait until no other server starts on the same database; blocks.

    Two that create its tables at once fail. The lock is gone when its holder ends, however that happens.
    """
    with (get_current_settings().home / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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

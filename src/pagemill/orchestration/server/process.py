"""The process of a private Prefect server, seen from the run that starts it. Nothing here imports Prefect.

Prefect can start such a server itself, but that one goes on when its parent is killed. This one reads its standard
input, which is closed when the parent ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
from typing import IO

from pagemill.config.environment import private_server_environment
from pagemill.errors import UsageError

_START_SECONDS = 300.0  # the first start creates the database; several starts wait for each other
_ERROR = re.compile(r"[\w.]+(Error|Exception): ")  # the last line of a traceback

_kept: list[subprocess.Popen[bytes]] = []  # keeps their standard input open as long as this process lives


class PrivateServerFailed(UsageError):
    """A private server does not start."""


class PrivateServer:
    """A Prefect server for one run, on a free loopback port. It ends with this process, even a killed one."""

    def __init__(self) -> None:
        """Start the process."""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 -- the process writes to it as long as it runs
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pagemill.orchestration.server.serving"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=private_server_environment(),
            process_group=0,  # Ctrl-C must not stop it: the run then still reports to it
        )
        _kept.append(self._process)

    async def url(self) -> str:
        """The URL of its API, once it answers.

        Raises:
            PrivateServerFailed: It does not start.
        """
        assert self._process.stdout  # noqa: S101 -- for mypy: it is a pipe
        line = b""
        with contextlib.suppress(TimeoutError):
            line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), _START_SECONDS)
        if not line:
            self.kill()
            raise PrivateServerFailed(
                f"the private Prefect server does not start: {_reason(self._said)}; type `prefect server start` to see "
                "more, or set PREFECT_API_URL to the URL of another server"
            )
        return line.decode().strip()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


def is_private() -> bool:
    """Whether this process has started its own server, which no other run uses."""
    return bool(_kept)


def has_ended() -> bool:
    """Whether this process has started its own server, and that was killed: nobody will answer again."""
    return is_private() and all(process.poll() is not None for process in _kept)


def _reason(said: IO[bytes]) -> str:
    """The last error that the server said before it ended; without one, its last line."""
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or ["it said nothing"])[-1]

"""What deployments/server/compose.yaml starts, without Docker: its settings and commands, with PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.fakes.databases import running_postgres, running_redis
from tests.fakes.prefect_server import PrefectServer
from tests.fakes.round_robin_proxy import RoundRobinProxy

FOLDER = Path(__file__).parents[2] / "deployments" / "server"
AUTH_STRING = "operator:correct horse"
_SECRETS = {"POSTGRES_PASSWORD": "postgres", "PREFECT_AUTH_STRING": AUTH_STRING}


def lasting_settings() -> dict[str, str]:
    """What lasting.env sets."""
    lines = (FOLDER / "lasting.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def make_postgres(data: Path) -> None:
    """Write a PostgreSQL's folder with Prefect's tables, and nothing in them."""
    half_made = data.with_suffix(".half")
    home = {"PREFECT_HOME": str(data.parent / "migration")}
    with running_postgres(leaves=half_made) as postgres:
        environment = {**os.environ, **home, **_settings(postgres, redis=0)}
        subprocess.run([*_PREFECT, "database", "upgrade", "--yes"], env=environment, check=True, capture_output=True)
    half_made.rename(data)


class LastingServer:
    """Two processes that answer behind one proxy, and one that does the rest; all of them can be killed at once."""

    def __init__(self, home: Path, postgres: Path) -> None:
        """Configure.

        Args:
            home: Where its processes keep their files.
            postgres: The folder that PostgreSQL begins with a copy of: see `make_postgres`.
        """
        self.url = ""  # of the proxy
        self._home = home
        self._postgres = postgres
        self._stack = contextlib.AsyncExitStack()
        self._environment: dict[str, str] = {}
        self._answering: list[PrefectServer] = []
        self._background: subprocess.Popen[bytes] | None = None
        self._proxy: RoundRobinProxy | None = None

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            postgres = stack.enter_context(running_postgres(begins_with=self._postgres))
            redis = stack.enter_context(running_redis())
            self._environment = _settings(postgres, redis)
            self._answering = [
                PrefectServer(self._home / str(number), self._environment, services=False) for number in range(2)
            ]
            stack.callback(self.kill)
            self._start_background()
            for server in self._answering:  # not at once: see compose.yaml
                await server.start()
            self._proxy = await stack.enter_async_context(RoundRobinProxy([server.port for server in self._answering]))
            self.url = f"http://127.0.0.1:{self._proxy.port}/api"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def forwarded(self) -> list[int]:
        """Connections to each of the processes that answer."""
        assert self._proxy
        return [self._proxy.forwarded[server.port] for server in self._answering]

    async def start(self) -> None:
        """Start Prefect's processes, and wait until those answer that are to answer."""
        self._start_background()
        await asyncio.gather(*(server.start() for server in self._answering))

    def kill(self) -> None:
        """Stop Prefect's processes as a power failure does; PostgreSQL and Redis stay."""
        for server in self._answering:
            server.kill()
        if self._background:
            os.killpg(self._background.pid, signal.SIGKILL)
            self._background.wait()

    def _start_background(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / "background.log").open("ab") as log:
            self._background = subprocess.Popen(
                [*_PREFECT, "services", "start"],
                env={**os.environ, "PREFECT_HOME": str(self._home), **self._environment},
                stdout=log,
                stderr=log,
                process_group=0,
            )


_PREFECT = [sys.executable, "-m", "prefect", "server"]


def _settings(postgres: int, redis: int) -> dict[str, str]:
    """The environment that compose.yaml gives its processes, with PostgreSQL and Redis where they are."""
    common: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["x-prefect"]
    given = lasting_settings() if common["env_file"] == "lasting.env" else {}
    given |= {name: _filled_in(value, _SECRETS) for name, value in common["environment"].items()}
    moved = {
        "prefect:postgres@postgres:5432/prefect": f"postgres@127.0.0.1:{postgres}/postgres",
        "redis://redis:6379": f"redis://127.0.0.1:{redis}",
    }
    for there, here in moved.items():
        given = {name: value.replace(there, here) for name, value in given.items()}
    host, port = "PREFECT_REDIS_MESSAGING_HOST", "PREFECT_REDIS_MESSAGING_PORT"
    assert (given[host], given[port]) == ("redis", "6379")
    return {**given, host: "127.0.0.1", port: str(redis)}


def _filled_in(value: str, secrets: Mapping[str, str]) -> str:
    """Variables as Docker Compose fills them in: `${NAME:?what to do where it is missing}`."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: secrets[found[1]], value)

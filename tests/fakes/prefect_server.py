"""A real Prefect server as a process of its own: killed and started again, it has the same port and database."""

from __future__ import annotations

import contextlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import stamina
from prefect.client.orchestration import PrefectClient
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from tests.fakes.ports import reserved_port

_START_SECONDS = 240.0  # ten on a quiet machine


def make_database(path: Path) -> None:
    """Write an SQLite database with Prefect's tables, which a server otherwise makes at its first start."""
    half_made = path.with_suffix(".half")
    connection = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{half_made}"}
    subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
        env={**os.environ, "PREFECT_HOME": str(path.parent / "migration"), **connection},
        check=True,
        capture_output=True,
    )
    half_made.rename(path)


async def send_what_is_queued() -> None:
    """Send what Prefect has not sent yet: without its server, it would go on trying when the process should end."""
    for draining in (APILogWorker.instance().drain(), EventsWorker.drain_all()):
        if inspect.isawaitable(draining):
            await draining


class PrefectServer:
    """Answers once its context is entered."""

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str] | None = None,
        *,
        database: Path | None = None,
        ui: bool = False,
        services: bool = True,
    ) -> None:
        """Configure.

        Args:
            home: Where it keeps its files.
            environment: Added to the server's.
            database: What it begins with a copy of, see `make_database`; None: it makes its tables itself.
            ui: Whether it serves its pages for browsers, which it builds when it starts.
            services: Without them it only answers.
        """
        self._reserved = contextlib.ExitStack()
        self.port = self._reserved.enter_context(reserved_port())
        self.url = f"http://127.0.0.1:{self.port}/api"
        ours = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
        self.ui_url = f"http://127.0.0.1:{self.port}/v2" if ui else ""
        where = {"PREFECT_UI_API_URL": self.url, "PREFECT_SERVER_UI_API_URL": self.url} if ui else {}
        made = {"PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false"} if database else {}  # it takes a second
        self._environment = {**os.environ, **ours, **where, **made, **(environment or {})}
        self.log = home / "server.log"
        self._database = database
        self._options = [] if services else ["--no-services"]
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._reserved.close()

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        own = self.log.with_name("prefect.db")
        if self._database and not own.exists():
            shutil.copyfile(self._database, own)
        options = [*self._options, *([] if self.ui_url else ["--no-ui"])]
        command = [sys.executable, "-m", "prefect", "server", "start", *options, "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 -- outlives this call
                command, env=self._environment, stdout=log, stderr=log, process_group=0
            )
        try:
            await self._until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    async def _until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        async with PrefectClient(self.url) as client:
            async for attempt in stamina.retry_context(
                on=RuntimeError, attempts=None, timeout=_START_SECONDS, wait_initial=0.2, wait_max=0.5
            ):
                with attempt:
                    if process.poll() is not None:
                        raise ChildProcessError(f"the Prefect server ended by itself; see {self.log}")
                    if problem := await client.api_healthcheck():
                        raise RuntimeError(f"{problem}; see {self.log}")

    def kill(self) -> None:
        """Stop it as a power failure does; it has a process of its own below the one that was started."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

"""Somebody at a command line, with a Prefect server of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

from pagemill.cli.main import app

ROOT = Path(__file__).parents[2]
_STOP_SECONDS = 10.0


@dataclass
class Operator:
    """Somebody at a command line, somewhere else than in the project's folder."""

    url: str
    home: Path

    def starts(self, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program that runs until it is told to stop."""
        program, *arguments = command
        executable = str(Path(sys.executable).parent / program)
        return subprocess.Popen([executable, *arguments], env=self._environment(environment), cwd=self.home.parent)

    async def types(
        self, *command: str, folder: Path = ROOT, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        program, *arguments = command
        return await asyncio.to_thread(
            subprocess.run,
            [str(Path(sys.executable).parent / program), *arguments],
            env=self._environment(environment),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    async def registers(
        self, *options: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`pagemill register` in this process, which has already imported what takes a new one seconds."""
        given = {"COLUMNS": "300", "PREFECT_API_URL": self.url, **(environment or {})}
        settings = {PREFECT_API_URL: self.url, PREFECT_API_AUTH_STRING: given.get("PREFECT_API_AUTH_STRING")}
        with temporary_settings(settings):
            ended = await asyncio.to_thread(CliRunner().invoke, app, ["register", *options], env=given)
        return subprocess.CompletedProcess(["register", *options], ended.exit_code, ended.stdout, ended.stderr)

    async def deploys(self, *, folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> None:
        """Register, and deploy everything that the folder's prefect.yaml declares."""
        registered = await self.registers(environment=environment)
        assert registered.returncode == 0, registered.stderr
        deployed = await self.types("prefect", "--no-prompt", "deploy", "--all", folder=folder, environment=environment)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    @contextlib.asynccontextmanager
    async def working(self, environment: Mapping[str, str] | None = None) -> AsyncIterator[psutil.Process]:
        """A worker of the pool `local-process`, which looks for work more often than the usual 15 s."""
        often = {"PREFECT_WORKER_QUERY_SECONDS": "2", **(environment or {})}
        process = self.starts("prefect", "worker", "start", "--pool", "local-process", environment=often)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, _STOP_SECONDS)
            except subprocess.TimeoutExpired:  # now and then Prefect's worker does not end, although it has no run left
                process.kill()
                await asyncio.to_thread(process.wait)

    def _environment(self, added: Mapping[str, str] | None) -> dict[str, str]:
        ours = {"PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.home), "COLUMNS": "300"}
        return {**os.environ, **ours, **(added or {})}

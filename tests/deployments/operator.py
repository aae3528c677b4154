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

ROOT = Path(__file__).parents[2]


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

    async def deploys(self, *, folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> None:
        """Register, and deploy everything that the folder's prefect.yaml declares."""
        for command in (("pagemill", "register"), ("prefect", "--no-prompt", "deploy", "--all")):
            typed = await self.types(*command, folder=folder, environment=environment)
            assert typed.returncode == 0, typed.stdout + typed.stderr

    @contextlib.asynccontextmanager
    async def working(self, environment: Mapping[str, str] | None = None) -> AsyncIterator[psutil.Process]:
        """A worker of the pool `local-process`."""
        process = self.starts("prefect", "worker", "start", "--pool", "local-process", environment=environment)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)

    def _environment(self, added: Mapping[str, str] | None) -> dict[str, str]:
        ours = {"PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.home), "COLUMNS": "300"}
        return {**os.environ, **ours, **(added or {})}

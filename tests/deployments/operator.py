"""Somebody at a command line, with a Prefect server of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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

    def _environment(self, added: Mapping[str, str] | None) -> dict[str, str]:
        ours = {"PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.home), "COLUMNS": "300"}
        return {**os.environ, **ours, **(added or {})}

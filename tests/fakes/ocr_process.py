"""The fake OCR endpoint as a process: it outlives killed runs, and its CPU time is not counted with theirs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint."""

    url: str

    def record(self) -> dict[str, Any]:
        """Its record of requests."""
        with urlopen(f"{self.url}/record", timeout=10) as answer:  # noqa: S310 -- our own http URL
            record: dict[str, Any] = json.load(answer)
            return record

    @property
    def sent(self) -> dict[str, int]:
        """How often each image was sent."""
        sent: dict[str, int] = self.record()["sent"]
        return sent


@contextlib.contextmanager
def running_endpoint(latency_seconds: float, *options: str) -> Iterator[Endpoint]:
    """Start the endpoint, and stop it; `options` are further options of the program."""
    with started_endpoint(latency_seconds, *options) as process:
        assert process.stdout
        yield Endpoint(process.stdout.readline().strip())
        process.terminate()


def started_endpoint(latency_seconds: float, *options: str) -> subprocess.Popen[str]:
    """Start the endpoint as a process that the caller stops; its first line is its URL."""
    command = [sys.executable, "-m", "tests.fakes.ocr_endpoint", "--latency", str(latency_seconds), *options]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

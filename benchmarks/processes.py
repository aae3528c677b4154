"""Runs the product as a process, and measures it and its children from outside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

_SAMPLE_SECONDS = 0.1


@dataclass
class Run:
    """One `pagemill run`."""

    summary: dict[str, Any]
    peak_bytes: int  # proportional memory of the run, its render workers and its Prefect server, together
    peak_by_kind: dict[str, int] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)  # by kind of process


def started_run(
    source: Path, destination: Path, url: str, *, home: Path, api_url: str = "", prefect: bool = True, **settings: str
) -> subprocess.Popen[str]:
    """Start the command line. Through Prefect: on a shared server if there is one, else on a private one."""
    quiet = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    # The stand-in does not say what is on the pages: all would be suspects, whose orientation a witness is asked about.
    # What that costs is measured by witness.py.
    environment = {**os.environ, **quiet, "PAGEMILL_WITNESS_WORKERS": "0", **settings}
    environment.pop("PREFECT_API_URL", None)
    if api_url:
        environment["PREFECT_API_URL"] = api_url
    command = [sys.executable, "-m", "pagemill", "run", str(source), str(destination), "--endpoint", url, "--json"]
    command.append("--prefect" if prefect else "--no-prefect")
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def pagemill_run(source: Path, destination: Path, url: str, *, home: Path, prefect: bool = True) -> Run:
    """Run the command line to its end.

    Raises:
        RuntimeError: It failed.
    """
    with started_run(source, destination, url, home=home, prefect=prefect) as process:
        watch = _Watch(psutil.Process(process.pid))
        watch.start()
        output, errors = process.communicate()
        watch.join()
    if process.returncode:
        raise RuntimeError(errors)
    return Run(json.loads(output.splitlines()[-1]), watch.peak_bytes, watch.peak_by_kind, watch.cpu_seconds)


class _Watch(threading.Thread):
    """Sums up memory and CPU time of a process and its descendants until it ends."""

    def __init__(self, root: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._root = root
        self.peak_bytes = 0
        self.peak_by_kind: dict[str, int] = {}
        self.cpu_seconds: dict[str, float] = {}

    def run(self) -> None:
        while self._root.is_running() and self._root.status() != psutil.STATUS_ZOMBIE:
            self._look()
            time.sleep(_SAMPLE_SECONDS)

    def _look(self) -> None:
        memory: dict[str, int] = {}
        cpu: dict[str, float] = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [self._root, *self._root.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    kind = _kind(process)
                    memory[kind] = memory.get(kind, 0) + process.memory_full_info().pss
                    times = process.cpu_times()
                    cpu[kind] = cpu.get(kind, 0.0) + times.user + times.system
        if sum(memory.values()) > self.peak_bytes:
            self.peak_bytes, self.peak_by_kind = sum(memory.values()), memory
        for kind, seconds in cpu.items():
            self.cpu_seconds[kind] = max(self.cpu_seconds.get(kind, 0.0), seconds)


def _kind(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    if "pagemill.pdf.worker" in words:
        return "render workers"
    return "Prefect server" if "pagemill.orchestration.server.serving" in words else "run"

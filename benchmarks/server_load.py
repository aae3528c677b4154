"""What a batch of 20,000 pages costs a Prefect server started with `make server`, and whether it loses events.

The endpoint answers at once, and pages are the size of stamps, so that they come as fast as this machine can send them.
The product is unchanged, rendering included; only the rendered image is small. Half of the pages are in books of 500,
which are read in page chunks of up to 200, the others in reports of 50.

Each page chunk is a task run, so the corpus determines their number; each reports three states to the server. Events
that the server does not have when it has finished recording are lost; it also logs each event that it drops.
"""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from prefect.client.orchestration import PrefectClient
from rich.console import Console
from rich.table import Table

from benchmarks.corpus import stamps
from benchmarks.processes import started_run
from tests.fakes.lasting_server import lasting_settings
from tests.fakes.ocr_process import running_endpoint
from tests.fakes.prefect_server import PrefectServer

DOCUMENTS = {500: 20, 50: 200}  # pages each: how many
PORTION_PAGES = 200
PAGES = sum(pages * documents for pages, documents in DOCUMENTS.items())
TASK_RUNS = sum(math.ceil(pages / PORTION_PAGES) * documents for pages, documents in DOCUMENTS.items())
PROMISED_PER_THOUSAND = 25
STATES = ("Pending", "Running", "Completed")  # of a task run, each an event
DRAIN_SECONDS, LOOK_SECONDS = 120.0, 1.0  # for the server to record all events
DROPPED = "Subscription queue is full"  # in its log, for each event that it drops


@dataclass(frozen=True)
class Recorded:
    """What a server has recorded of a run."""

    task_runs: int
    events: int  # of task runs

    @property
    def complete(self) -> bool:
        """Whether the server has exactly the expected task runs and events."""
        return self == Recorded(TASK_RUNS, len(STATES) * TASK_RUNS)


def write_corpus(folder: Path) -> Path:
    """Write the documents."""
    folder.mkdir()
    seed = 0
    for pages, documents in DOCUMENTS.items():
        for _ in range(documents):
            seed += 1
            stamps(folder / f"{seed:03}.pdf", pages=pages, seed=seed)
    return folder


async def drained(client: PrefectClient) -> tuple[Recorded, float]:
    """Wait until the server has recorded all, two minutes at most; return what it has, and how long it took."""
    began = time.monotonic()
    while True:
        recorded = await look(client)
        seconds = time.monotonic() - began
        if recorded.complete or seconds > DRAIN_SECONDS:
            return recorded, seconds
        await asyncio.sleep(LOOK_SECONDS)


async def look(client: PrefectClient) -> Recorded:
    """Count what the server has recorded as completed."""
    completed = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    told = {"filter": {"event": {"name": [f"prefect.task-run.{state}" for state in STATES]}}, "limit": 1}
    task_runs = await client.request("POST", "/task_runs/count", json=completed)
    events: dict[str, Any] = (await client.request("POST", "/events/filter", json=told)).json()
    return Recorded(task_runs.json(), events["total"])


def cpu_seconds(server: PrefectServer) -> float:
    """The CPU time of the server's processes so far."""
    mine = [p for p in psutil.Process().children(recursive=True) if f"{server.port}" in p.cmdline()]
    family = {child for p in mine for child in (p, *p.children(recursive=True))}
    return sum(process.cpu_times().user + process.cpu_times().system for process in family)


async def main() -> int:
    """Print the table; return 1 if a promise is broken."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_corpus(folder / "in")
        async with PrefectServer(folder / "server", lasting_settings()) as server, PrefectClient(server.url) as client:
            register = [sys.executable, "-m", "pagemill", "register"]
            environment = {**os.environ, "PREFECT_API_URL": server.url}
            subprocess.run(register, check=True, env=environment, stdout=subprocess.DEVNULL)  # noqa: ASYNC221 -- nothing else runs
            before, began = cpu_seconds(server), time.monotonic()
            with running_endpoint(0.0) as target:
                run = started_run(source, folder / "out", target.url, home=folder / "home", api_url=server.url)
                _, errors = await asyncio.to_thread(run.communicate)
                if run.returncode:
                    raise RuntimeError(errors)
                sent = sum(target.sent.values())
            seconds = time.monotonic() - began
            recorded, drain_seconds = await drained(client)
            cpu = cpu_seconds(server) - before
            dropped = server.log.read_text().count(DROPPED)
    per_thousand = 1000 * recorded.task_runs / sent
    table = Table("", "measured", "promised", box=None)
    table.add_row("pages sent", f"{sent}", f"{PAGES}")
    table.add_row("pages a second", f"{sent / seconds:.0f}", "")
    table.add_row("task runs a thousand pages", f"{per_thousand:.1f}", f"{PROMISED_PER_THOUSAND}")
    table.add_row("task runs recorded", f"{recorded.task_runs}", f"{TASK_RUNS}")
    table.add_row("their events recorded", f"{recorded.events}", f"{len(STATES) * TASK_RUNS}")
    table.add_row("events dropped, as the server says", f"{dropped}", "0")
    table.add_row("seconds after the run until all is recorded", f"{drain_seconds:.1f}", "")
    table.add_row("the server's CPU seconds", f"{cpu:.0f}, {100 * cpu / seconds:.0f} % of a core", "")
    Console().print(table)
    return int(not (sent == PAGES and recorded.complete and dropped == 0 and per_thousand <= PROMISED_PER_THOUSAND))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

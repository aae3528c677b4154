"""Three runs at once on one Prefect server with a cap of eight: share of slot-time busy, first request to last answer.

Two cores cannot render forty pages a second for three runs and run a Prefect server, so the pages are the size of
stamps. It also measures the share while all three compete: from the time when the last run has sent its first page
until the first run has sent its last one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import stamps
from benchmarks.processes import started_run
from tests.fakes.ocr_process import running_endpoint
from tests.fakes.prefect_server import PrefectServer

SLOTS = 8
RUNS = ("one", "two", "three")
PROMISED = {1.0: 0.95, 0.2: 0.90}  # seconds a page: share busy
PAGES = {1.0: 400, 0.2: 1600}  # of each run
TURN_SECONDS = 60.0  # until a run has its first slot
LEASES = {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem"}


def busy_share(spans: list[tuple[float, float]], begin: float, end: float) -> float:
    """Share of slot-time busy in a window."""
    busy = sum(max(min(stop, end) - max(start, begin), 0.0) for start, stop in spans)
    return busy / (SLOTS * (end - begin))


def compete(folder: Path, latency_seconds: float, api_url: str) -> dict[str, Any]:
    """Let three runs compete; return the endpoint's record."""
    for seed, name in enumerate(RUNS, start=1):
        (folder / name).mkdir(parents=True)
        stamps(folder / name / "a.pdf", pages=PAGES[latency_seconds], seed=seed)
    with running_endpoint(latency_seconds) as target:
        runs = [
            started_run(
                *(folder / name, folder / f"{name}-out", f"{target.url}/{name}"),
                home=folder / f"{name}-home",
                api_url=api_url,
                PAGEMILL_RENDER_WORKERS="1",
            )
            for name in RUNS
        ]
        for run in runs:
            _, errors = run.communicate()
            if run.returncode:
                raise RuntimeError(errors)
        return target.record()


async def main() -> int:
    """Print the table; return 1 if a promise is broken."""
    table = Table(
        "seconds a page", "busy while all compete", "promised", "busy in all", "most in flight", "first slot s"
    )
    kept = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with PrefectServer(folder / "server", LEASES) as server:
            register = [sys.executable, "-m", "pagemill", "register", "--slots", str(SLOTS)]
            subprocess.run(register, check=True, env={**os.environ, "PREFECT_API_URL": server.url})  # noqa: ASYNC221
            for latency_seconds, promised in PROMISED.items():
                record = await asyncio.to_thread(compete, folder / str(latency_seconds), latency_seconds, server.url)
                spans = record["spans"]
                by_run = {
                    run: [s for s, c in zip(spans, record["callers"], strict=True) if c == f"/{run}"] for run in RUNS
                }
                begin = max(min(start for start, _ in own) for own in by_run.values())
                end = min(max(start for start, _ in own) for own in by_run.values())
                share = busy_share(spans, min(start for start, _ in spans), max(stop for _, stop in spans))
                competing = f"{busy_share(spans, begin, end):.3f}" if end > begin else "never"
                waited = begin - min(start for start, _ in spans)
                most = record["most_in_flight"]
                kept = kept and share >= promised and most <= SLOTS and waited <= TURN_SECONDS
                figures = (f"{latency_seconds:g}", f"{share:.3f}", f"{promised:.2f}", competing, str(most))
                table.add_row(*figures, f"{waited:.1f}")
    Console().print(table)
    return int(not kept)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

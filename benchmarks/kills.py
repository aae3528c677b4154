"""`kill -9` at twenty random moments of a 400-page batch: what is sent again, and whether the results are the same.

Five times each: the run itself (which is then started again), a render worker, the endpoint, the Prefect server. Half
of the kills come as a page arrives, when others are answered and perhaps not yet saved; half come at any moment of a
page's time. The limit on that server has room for eight killed runs, so that the benchmark need not wait for their
leases. The time until a killed run's slots are back is measured separately. Usage: `kills.py [SEED]`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
from prefect.client.orchestration import PrefectClient
from rich.console import Console
from rich.table import Table

from benchmarks.corpus import born_digital, stamps
from benchmarks.processes import pagemill_run, started_run
from pagemill.orchestration.slots.limit import ensure_limit
from tests.fakes.ocr_process import running_endpoint, started_endpoint
from tests.fakes.prefect_server import PrefectServer

DOCUMENTS, PAGES, PAGE_SECONDS = 8, 50, 2.0
IN_FLIGHT_SECONDS = PAGE_SECONDS + 1.0  # from arrival until the result is saved
SLACK_SECONDS = 0.5  # between sending a request and recording its arrival
KILLS_EACH, IN_FLIGHT, BACK_SECONDS = 5, 8, 75.0
LEAK_SECONDS = 80.0  # after the batch, until a slot that is still taken has leaked
LIMIT = "lightonocr-endpoint"
LEASES = {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem"}


class Experiment:
    """A batch with its endpoint and server; can kill each of them."""

    def __init__(self, folder: Path, server: PrefectServer, seed: int) -> None:
        self.costs: list[tuple[str, int]] = []  # what was killed, and how many pages were sent again because of it
        self.unexplained = 0  # pages sent again that were not in flight at any kill
        self.pages = self.requests = 0
        self._kills: list[tuple[float, str]] = []
        self._folder = folder
        self._server = server
        self._rng = random.Random(seed)  # noqa: S311 -- moments, no secrets
        self._journal = folder / "journal"
        self._journal.touch()
        self._url = ""
        self._endpoint = self._started_endpoint()
        self._run = self._started_run()
        self._server_starts: asyncio.Task[None] | None = None

    async def kill_all(self) -> None:
        """Kill each part several times, and let the batch finish."""
        targets: dict[str, Callable[[], Awaitable[None]]] = {
            "the run": self._kill_run,
            "a render worker": self._kill_worker,
            "the endpoint": self._kill_endpoint,
            "the Prefect server": self._kill_server,
        }
        order = [name for name in targets for _ in range(KILLS_EACH)]
        self._rng.shuffle(order)
        for name in order:
            await self._some_pages()
            await targets[name]()
        while self._run.poll() is None or self._run.returncode:
            if self._run.poll() is not None:
                raise RuntimeError(self._run.communicate()[1])
            await asyncio.sleep(0.1)
        self._endpoint.kill()
        self._endpoint.communicate()
        self._account()

    def _account(self) -> None:
        """For each page that was sent again, find the last kill at which it was in flight."""
        self.costs = [(name, 0) for _, name in self._kills]
        arrivals: dict[str, list[float]] = {}
        for moment, image in self._sent():
            arrivals.setdefault(image, []).append(moment)
        self.pages, self.requests = len(arrivals), sum(map(len, arrivals.values()))
        for moments in arrivals.values():
            for earlier, later in itertools.pairwise(moments):
                begin, end = earlier - SLACK_SECONDS, min(later, earlier + IN_FLIGHT_SECONDS)
                found = [index for index, (at, _) in enumerate(self._kills) if begin <= at < end]
                if not found:
                    self.unexplained += 1
                    continue
                name, resent = self.costs[found[-1]]
                self.costs[found[-1]] = name, resent + 1

    def _sent(self) -> list[tuple[float, str]]:
        """The time at which each page arrived, and the page."""
        lines = (line.split() for line in self._journal.read_text().splitlines())
        return [(float(moment), image) for moment, image in lines]

    async def _some_pages(self) -> None:
        """Wait until a random number of pages has arrived, and in half of the cases a little longer."""
        target = len(self._sent()) + self._rng.randint(IN_FLIGHT, IN_FLIGHT + 5)
        longer = self._rng.choice((0.0, self._rng.uniform(0.0, PAGE_SECONDS)))
        while len(self._sent()) < target:
            if self._run.poll() is not None:
                raise RuntimeError(f"the batch ended too early: {self._run.communicate()[1]}")
            await asyncio.sleep(0.02)
        await asyncio.sleep(longer)

    def _record_kill(self, name: str) -> None:
        """Record the time of a kill."""
        self._kills.append((time.time(), name))

    def _started_endpoint(self) -> subprocess.Popen[str]:
        port = ("--port", self._url.rpartition(":")[2]) if self._url else ()
        endpoint = started_endpoint(PAGE_SECONDS, "--journal", str(self._journal), *port)
        assert endpoint.stdout  # noqa: S101 -- for mypy: it is a pipe
        self._url = endpoint.stdout.readline().strip()
        return endpoint

    def _started_run(self) -> subprocess.Popen[str]:
        folder = self._folder
        return started_run(folder / "in", folder / "out", self._url, home=folder / "home", api_url=self._server.url)

    async def _kill_run(self) -> None:
        self._record_kill("the run")
        self._run.kill()
        self._run.communicate()
        if self._server_starts:
            await self._server_starts  # a run does not begin without it
        self._run = self._started_run()

    async def _kill_worker(self) -> None:
        children = psutil.Process(self._run.pid).children()
        worker = self._rng.choice(
            [child for child in children if any("pagemill.pdf.worker" in w for w in child.cmdline())]
        )
        self._record_kill("a render worker")
        worker.kill()

    async def _kill_endpoint(self) -> None:
        self._record_kill("the endpoint")
        self._endpoint.kill()
        self._endpoint.communicate()
        self._endpoint = self._started_endpoint()

    async def _kill_server(self) -> None:
        if self._server_starts:
            await self._server_starts
        self._record_kill("the Prefect server")
        self._server.kill()
        self._server_starts = asyncio.create_task(self._server.start())


def results(folder: Path) -> dict[str, tuple[bytes, list[tuple[int, str, str]]]]:
    """Each document's Markdown, and the number, status and text of each page.

    Raises:
        RuntimeError: A page is missing or not `ok`: then equal results would prove nothing.
    """
    found = {}
    for path in sorted(folder.glob("*/pages.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        pages = [(line["number"], line["status"], line["markdown"]) for line in lines]
        found[path.parent.name] = path.with_name("document.md").read_bytes(), pages
    statuses = [[(number, status) for number, status, _ in pages] for _, pages in found.values()]
    if statuses != [[(number, "ok") for number in range(1, PAGES + 1)]] * DOCUMENTS:
        raise RuntimeError(f"not every page is there and ok in {folder.name}: {statuses}")
    return found


async def slots_left(client: PrefectClient) -> int:
    """Slots that are still taken when all leases of the killed runs must have expired."""
    deadline = time.monotonic() + LEAK_SECONDS
    while left := (await client.read_global_concurrency_limit_by_name(LIMIT)).active_slots:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(1.0)
    return left


async def seconds_until_slots_are_back(folder: Path, server: PrefectServer, client: PrefectClient) -> float:
    """Kill a run that holds all slots, start another, and wait for its first page."""
    await ensure_limit(client, "all eight", IN_FLIGHT)
    for seed, name in ((101, "holder"), (102, "next")):
        (folder / name).mkdir()
        stamps(folder / name / "a.pdf", pages=40, seed=seed)
    with running_endpoint(600.0) as target:

        async def sends(name: str, pages: int) -> tuple[subprocess.Popen[str], float]:
            run = started_run(
                *(folder / name, folder / f"{name}-out", target.url),
                home=folder / "home",
                api_url=server.url,
                PAGEMILL_CONCURRENCY_LIMIT="all eight",
            )
            before = len(target.sent)
            while len(target.sent) < before + pages:
                await asyncio.sleep(0.1)
            return run, time.monotonic()

        holder, _ = await sends("holder", IN_FLIGHT)
        holder.kill()
        holder.communicate()
        killed = time.monotonic()
        following, first_page = await sends("next", 1)
        following.kill()
        following.communicate()
    return first_page - killed


async def main(seed: int) -> int:
    """Print the tables; return 1 if a promise is broken."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for number in range(DOCUMENTS):
            born_digital(folder / f"in/{number}.pdf", pages=PAGES, seed=number + 1)
        with running_endpoint(0.0) as target:
            pagemill_run(folder / "in", folder / "undisturbed", target.url, home=folder / "home")
        async with PrefectServer(folder / "server", LEASES) as server, PrefectClient(server.url) as client:
            await ensure_limit(client, LIMIT, 8 * IN_FLIGHT)
            experiment = Experiment(folder, server, seed)
            await experiment.kill_all()
            back, left = await asyncio.gather(seconds_until_slots_are_back(folder, server, client), slots_left(client))
        same = results(folder / "out") == results(folder / "undisturbed")
    table = Table("killed", "times", "pages sent again, each time", "promised: at most", box=None)
    for killed in sorted({name for name, _ in experiment.costs}):
        resent = [cost for name, cost in experiment.costs if name == killed]
        table.add_row(killed, str(len(resent)), ", ".join(map(str, resent)), str(IN_FLIGHT))
    console = Console()
    console.print(table)
    console.print(
        f"seed {seed}; {experiment.pages} different pages, {experiment.requests} requests, {experiment.unexplained} of "
        f"them not explained by a kill; results equal to those of an undisturbed run: {same}"
    )
    console.print(
        f"slots of a killed run are back after {back:.0f} s, promised: {BACK_SECONDS:.0f}; slots left taken: {left}"
    )
    worst = max(cost for _, cost in experiment.costs)
    return int(worst > IN_FLIGHT or experiment.unexplained > 0 or not same or back > BACK_SECONDS or left > 0)


if __name__ == "__main__":
    logging.getLogger("stamina").setLevel(logging.ERROR)  # requests to a server that is starting are retried many times
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)))

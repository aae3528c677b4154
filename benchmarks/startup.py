"""Time to the first page and to the end of `pagemill run`, directly and through Prefect, beside finished documents.

A folder holds documents that an earlier run has finished, and one new page, which is listed last. Measured are the time
until the endpoint has that page, the time until the run ends, and then a run with nothing left to do. Private Prefect
servers have been started once before, so that they have their tables.

    python -m benchmarks.startup [ANOTHER_CHECKOUT]

With another checkout, an older one, its runs are measured in between, with the libraries of this one, and the ratios
are printed.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import stamps
from pagemill.domain.pages.keys import manifest
from tests.fakes.ocr_process import running_endpoint

DOCUMENTS = (1, 100, 10_000)
TIMES = 3  # each run, of which the quickest counts: other programs only ever make one slower
PROMISED_SHARES = {"direct": 0.15, "through Prefect": 0.4}  # of the older checkout's time to the first page
PROMISED_CPU_SECONDS = 5.0  # a direct run with nothing to do over the most documents
_NAME = "{:07}.pdf"  # names of one length: the sizes of the texts stay right
_NEW = "new.pdf"


@dataclass(frozen=True)
class Variant:
    """A way to run."""

    name: str
    options: tuple[str, ...]
    checkout: Path | None = None  # None: this one

    def environment(self, home: Path) -> dict[str, str]:
        """Without a configured server, and with a folder of its own for Prefect."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PAGEMILL_", "PREFECT_"))}
        ours = {"PREFECT_HOME": str(home / self.name), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
        return kept | ours | ({"PYTHONPATH": str(self.checkout / "src")} if self.checkout else {})


@dataclass(frozen=True)
class Measured:
    """What one run took."""

    first_page: float | None  # seconds; None: it sent none
    seconds: float
    cpu_seconds: float  # of all its processes that have ended with it


class Bench:
    """An endpoint, and a folder for each variant."""

    def __init__(self, folder: Path, url: str, journal: Path) -> None:
        self._folder = folder
        self._url = url
        self._journal = journal

    def prepare(self, variant: Variant) -> None:
        """Read one document, and make its results those of many."""
        source = self._of(variant) / "in"
        source.mkdir(parents=True)
        (self._folder / "prefect").mkdir(exist_ok=True)  # Prefect makes a folder in it
        stamps(source / _NAME.format(0), pages=1)
        self.run(variant)

    def grow(self, variant: Variant, documents: int, *, seed: int) -> None:
        """Let there be so many finished documents, and one new page, which the seed decides."""
        folder, first = self._of(variant), _NAME.format(0)
        source, out = folder / "in", folder / "out"
        text = (out / manifest(first)).read_text()
        for number in range(len(list(source.glob("0*.pdf"))), documents):
            name = _NAME.format(number)
            shutil.copyfile(source / first, source / name)
            shutil.copytree(out / first, out / name)
            (out / manifest(name)).write_text(text.replace(first, name))
        stamps(source / _NEW, pages=1, seed=seed)
        shutil.rmtree(out / _NEW, ignore_errors=True)

    def quickest(self, variant: Variant, documents: int) -> tuple[Measured, Measured]:
        """The quickest run with one new page, and the quickest with none."""
        runs, idle = list[Measured](), list[Measured]()
        for again in range(TIMES):
            self.grow(variant, documents, seed=documents + again)
            runs.append(self.run(variant))
            idle.append(self.run(variant))
        if any(run.first_page is None for run in runs) or any(run.first_page is not None for run in idle):
            raise RuntimeError(f"{variant.name}, {documents} documents: sent what was finished, or not the new page")
        return min(runs, key=lambda run: run.first_page or 0.0), min(idle, key=lambda run: run.cpu_seconds)

    def run(self, variant: Variant) -> Measured:
        """Run to the end.

        Raises:
            RuntimeError: The run failed.
        """
        folder = self._of(variant)
        options = [str(folder / "in"), str(folder / "out"), "--endpoint", self._url, *variant.options]
        before, cpu, began = self._sent(), _cpu_seconds(), time.time()
        done = subprocess.run(
            [sys.executable, "-m", "pagemill", "run", *options],
            env=variant.environment(self._folder / "prefect"),
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{variant.name}: {done.stderr}")
        seconds, sent = time.time() - began, self._sent()[len(before) :]
        return Measured(sent[0] - began if sent else None, seconds, _cpu_seconds() - cpu)

    def _of(self, variant: Variant) -> Path:
        return self._folder / variant.name

    def _sent(self) -> list[float]:
        return [float(line.split()[0]) for line in self._journal.read_text().splitlines()]


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(variants: list[Variant]) -> Iterator[tuple[int, Variant, Measured, Measured]]:
    """Measure each variant with each number of documents: a run with one new page, then one with none."""
    with tempfile.TemporaryDirectory() as name:
        journal = Path(name) / "journal"
        journal.touch()
        with running_endpoint(0.0, "--journal", str(journal)) as endpoint:
            bench = Bench(Path(name), endpoint.url, journal)
            for variant in variants:
                bench.prepare(variant)
            for documents in DOCUMENTS:
                for variant in variants:
                    yield documents, variant, *bench.quickest(variant, documents)


def main() -> int:
    """Print the table; return 1 if a promise is broken."""
    older = Path(sys.argv[1]).resolve() if sys.argv[1:] else None
    variants = [Variant("direct", ()), Variant("through Prefect", ("--prefect",))]
    variants = [*([Variant("the other checkout", (), older)] if older else []), *variants]
    table = Table("documents", "run", "first page s", "of the other", "end s", "nothing to do s", "its CPU s", box=None)
    theirs, broken = 0.0, False
    for documents, variant, run, idle in measure(variants):
        if run.first_page is None or idle.first_page is not None:
            raise RuntimeError(
                f"{variant.name} with {documents} documents has read what was finished, or not the new page"
            )
        theirs = run.first_page if variant.checkout else theirs
        share = run.first_page / theirs if theirs and not variant.checkout else None
        broken |= share is not None and share > PROMISED_SHARES[variant.name]
        broken |= variant.name == "direct" and documents == max(DOCUMENTS) and idle.cpu_seconds > PROMISED_CPU_SECONDS
        times = [f"{seconds:.1f}" for seconds in (run.seconds, idle.seconds, idle.cpu_seconds)]
        table.add_row(f"{documents:,}", variant.name, f"{run.first_page:.2f}", f"{share:.2f}" if share else "", *times)
    Console().print(table)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())

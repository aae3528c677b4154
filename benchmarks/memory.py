"""Peak memory of all processes of a run, for a short and for a long document.

Proportional set size, so that pages shared between processes count once; the run, its render workers and its Prefect
server together.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import born_digital
from benchmarks.processes import pagemill_run
from tests.fakes.ocr_process import running_endpoint

SHORT, LONG = 50, 2000  # pages
PROMISED = 1.10  # long to short
MIB = 2**20


def main() -> int:
    """Print the table; return 1 if the promise is broken."""
    table = Table("pages", "peak MiB", "run", "render workers", "Prefect server", box=None)
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pages in (SHORT, LONG):
            source = born_digital(folder / f"{pages}.pdf", pages=pages)
            with running_endpoint(0.02) as target:
                run = pagemill_run(source, folder / f"out-{pages}", target.url, home=folder / "prefect")
            peaks.append(run.peak_bytes)
            kinds = [
                f"{run.peak_by_kind.get(kind, 0) / MIB:.0f}" for kind in ("run", "render workers", "Prefect server")
            ]
            table.add_row(str(pages), f"{run.peak_bytes / MIB:.0f}", *kinds)
    ratio = peaks[1] / peaks[0]
    Console().print(table)
    Console().print(f"long to short: {ratio:.3f}, promised: at most {PROMISED:.2f}")
    return int(ratio > PROMISED)


if __name__ == "__main__":
    sys.exit(main())

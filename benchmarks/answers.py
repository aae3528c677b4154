"""A fuzz of what an endpoint answers: status, headers, body and timing by a seed.

`python -m benchmarks.answers [SEEDS [FIRST]]`. Each seed is a batch of two documents over one stand-in of an endpoint.
It has to end with an exit code, in time, with one status for each page and no secret in any message. When the endpoint
is well again, the next run has to read all pages. In the end, memory may not have grown.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import trustme
from rich.console import Console
from rich.table import Table

from pagemill.cli.support import ExitCode
from tests.wild_runs import read_through

SEEDS, BLOCK = 2500, 100
PROMISED_MIB = 150  # by which the peak of memory may be higher than after the first block


def main() -> int:
    """Print how the runs ended; return 1 if a run broke a promise."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    logging.disable()  # what is logged of strange answers is not read by anybody
    codes, peaks, started = Counter[ExitCode](), list[float](), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        trustme.CA().cert_pem.write_to_path(Path(name) / "ca.pem")
        os.environ["SSL_CERT_FILE"] = str(Path(name) / "ca.pem")  # reading all authorities takes most of a short run
        for begin in range(first, first + seeds, BLOCK):
            try:
                codes += asyncio.run(
                    read_through(range(begin, min(begin + BLOCK, first + seeds)), Path(name) / str(begin))
                )
            except Exception:  # noqa: BLE001 -- whatever it is, the run did not come to its end
                Console(stderr=True).print_exception()
                return 1
            shutil.rmtree(Path(name) / str(begin))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    table = Table("exit code", "runs", box=None)
    for code, runs in sorted(codes.items()):
        table.add_row(f"{code:d} {code.name.lower()}", str(runs))
    Console().print(table)
    more = peaks[-1] - peaks[0]
    Console().print(
        f"{codes.total()} runs in {time.monotonic() - started:.0f} s; peak of memory {peaks[-1]:.0f} MiB, "
        f"{more:.0f} more than after the first {BLOCK}, promised: at most {PROMISED_MIB}"
    )
    return int(more > PROMISED_MIB)


if __name__ == "__main__":
    sys.exit(main())

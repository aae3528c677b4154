"""What a bucket's latency costs: one-page documents that are read, and finished ones that are skipped.

Each request to the bucket takes fifty milliseconds, a page at the endpoint 0.2 s. A run with the threads of its own
kinds of calls is compared with one in which all calls share as many threads as asyncio's pool has.

    python -m benchmarks.bucket
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import born_digital
from pagemill.batch.threads import BlockingCalls, CallThreads
from pagemill.config.run import read_settings
from pagemill.wiring import batch as wiring
from pagemill.wiring.parameters import OcrBatchParameters
from tests.fakes.gcs_process import BUCKET, running_gcs
from tests.fakes.ocr_process import running_endpoint

DOCUMENTS = 160  # of one page
REQUEST_SECONDS, PAGE_SECONDS = 0.05, 0.2
READ_PROMISED, SKIPPED_PROMISED = 1.2, 1.5  # times as fast as with one pool, on two busy cores


class SharedThreads(BlockingCalls):
    """All calls in one pool, of the size of asyncio's."""

    def __init__(self, *, pages: int, documents: int) -> None:
        """Replace the threads of each kind."""
        super().__init__(pages=pages, documents=documents)
        self.saves = self.checks = self.downloads = self.lookups = self.publications = CallThreads(
            "shared", min(32, (os.cpu_count() or 1) + 4)
        )


@dataclass(frozen=True)
class Speed:
    """Documents a second."""

    read: float
    skipped: float


async def _run(out: str, endpoint: str) -> float:
    """Run once; return documents a second."""
    parameters = OcrBatchParameters(
        source=f"gs://{BUCKET}/scans", destination=f"gs://{BUCKET}/{out}", endpoint=endpoint
    )
    async with wiring.open_batch(parameters, read_settings()) as batch:
        summary = await batch.run("run")
    if not summary.complete or summary.pages != DOCUMENTS:
        raise RuntimeError(f"not every page was read: {summary.stopped_by or summary.trouble}")
    return DOCUMENTS / summary.seconds


def speed(threads: type[BlockingCalls], out: str, endpoint: str) -> Speed:
    """Read all documents, then run again."""
    with mock.patch.object(wiring, "BlockingCalls", threads):
        return Speed(asyncio.run(_run(out, endpoint)), asyncio.run(_run(out, endpoint)))


def main() -> int:
    """Print the table; return 1 if a promise is broken."""
    with tempfile.TemporaryDirectory() as name:
        page = born_digital(Path(name) / "page.pdf", pages=1)
        with (
            running_gcs(DOCUMENTS, content=page, latency_seconds=REQUEST_SECONDS) as url,
            running_endpoint(PAGE_SECONDS) as endpoint,
            mock.patch.dict(os.environ, STORAGE_EMULATOR_HOST=url),
        ):
            shared, own = (speed(kind, out, endpoint.url) for kind, out in ((SharedThreads, "a"), (BlockingCalls, "b")))
    table = Table("documents of one page, a second", "one pool", "a pool for each kind", "ratio", "promised", box=None)
    ratios = own.read / shared.read, own.skipped / shared.skipped
    table.add_row("read", f"{shared.read:.1f}", f"{own.read:.1f}", f"{ratios[0]:.2f}", f">= {READ_PROMISED}")
    table.add_row(
        "skipped", f"{shared.skipped:.0f}", f"{own.skipped:.0f}", f"{ratios[1]:.2f}", f">= {SKIPPED_PROMISED}"
    )
    Console().print(table)
    return int(ratios[0] < READ_PROMISED or ratios[1] < SKIPPED_PROMISED)


if __name__ == "__main__":
    sys.exit(main())

"""Memory and time of a run that has nothing to do: a bucket of many PDFs, all done in an earlier run.

The real source lists the bucket a page at a time, the real batch looks for each document's manifest and for the sizes
of its texts, and plans no page. The process that does this is measured; it is started for that, and the bucket is
another process.

    python -m benchmarks.listing
    python -m benchmarks.listing --second-run OUT    # the measured process alone, for a profiler
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pagemill.batch.run import Batch
from pagemill.config.run import Settings
from pagemill.domain.judging.judge import GUARD_VERSION
from pagemill.domain.pages import keys
from pagemill.domain.pages.manifest import TEXTS, Manifest, PublishedText, Tally
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status
from pagemill.wiring.batch import open_batch
from pagemill.wiring.parameters import OcrBatchParameters
from tests.fakes.gcs_process import BUCKET, FIRST_GENERATION, SIZE_BYTES, object_name, running_gcs

FEW, MANY = 10_000, 100_000
PROMISED_MB = 400
MB = 10**6
_MODEL = "a model"


@dataclass(frozen=True)
class SecondRun:
    """What a run took that found everything done."""

    documents: int
    reused: int
    requests: int
    seconds: float
    peak_bytes: int


def settle(out: Path, documents: int) -> None:
    """Write the texts and manifests that a first run would have left, one page a document."""
    tally = Tally()
    tally.add(PageResult(1, Status.OK, attempts=1, prompt_tokens=2145, completion_tokens=431, seconds=3.912))
    recipe = Recipe(_MODEL, guard_version=GUARD_VERSION)
    document, texts = Document("THE KEY", "THE VERSION", SIZE_BYTES), dict.fromkeys(TEXTS, PublishedText(4, "ab" * 32))
    text = Manifest(document, recipe, 1, tally, 0.0, dt.datetime.now(dt.UTC), texts=texts).to_json()
    for number in range(documents):
        key = object_name(number).removeprefix("scans/")
        path = out / keys.manifest(key)
        path.parent.mkdir(parents=True)
        path.write_text(text.replace("THE KEY", key).replace("THE VERSION", str(FIRST_GENERATION + number)))
        for name in TEXTS:
            path.with_name(name).write_text("text")


def second_run(documents: int) -> SecondRun:
    """Measure one, in a process of its own.

    Raises:
        RuntimeError: It did something.
    """
    with tempfile.TemporaryDirectory() as name, running_gcs(documents) as url:
        settle(Path(name), documents)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PAGEMILL_")}
        environment |= {"STORAGE_EMULATOR_HOST": url, "PAGEMILL_MODEL": _MODEL}
        command = [sys.executable, "-m", "benchmarks.listing", "--second-run", name]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    run = SecondRun(**json.loads(done.stdout))
    if (run.documents, run.reused, run.requests) != (documents, documents, 0):
        raise RuntimeError(f"not every document was settled: {run}")
    return run


async def _second_run(out: str) -> SecondRun:
    parameters = OcrBatchParameters(
        source=f"gs://{BUCKET}/scans",
        destination=out,
        endpoint="http://127.0.0.1:9",  # gets no request
    )
    batch: Batch
    async with open_batch(parameters, Settings()) as batch:
        summary = await batch.run("second")
    if summary.stopped_by:
        raise summary.stopped_by
    return SecondRun(summary.documents, summary.reused, summary.requests, summary.seconds, _peak_bytes())


def _peak_bytes() -> int:
    """The peak resident memory. `getrusage` would include the parent's memory at the time it started this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main() -> int:
    """Print the table; return 1 if the promise is broken."""
    table = Table("documents", "peak MB", "promised", "seconds", "documents/s", box=None)
    for documents in (FEW, MANY):
        run = second_run(documents)
        promised = f"< {PROMISED_MB}" if documents == MANY else ""
        speed = f"{documents / run.seconds:.0f}"
        table.add_row(f"{documents:,}", f"{run.peak_bytes / MB:.0f}", promised, f"{run.seconds:.1f}", speed)
    Console().print(table)
    return int(run.peak_bytes >= PROMISED_MB * MB)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--second-run"]:
        sys.stdout.write(json.dumps(asyncio.run(_second_run(sys.argv[2])).__dict__))
    else:
        sys.exit(main())

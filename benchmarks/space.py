"""Temporary space of a run over 32 large objects: the most bytes that are in use at once.

A run with the default `PAGEMILL_OPEN_MIB` is compared with one that opens as many documents as it likes.

    python -m benchmarks.space
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pikepdf
from rich.console import Console
from rich.table import Table

from benchmarks.corpus import born_digital
from pagemill.config.run import Settings, read_settings
from pagemill.wiring.batch import open_batch
from pagemill.wiring.parameters import OcrBatchParameters
from tests.fakes.gcs_process import BUCKET, running_gcs
from tests.fakes.ocr_process import running_endpoint

OBJECTS, PAGES, OBJECT_MIB = 32, 4, 24
MIB = 2**20
_UNBOUNDED_MIB = 2**20
_SAMPLE_SECONDS = 0.005


def large_pdf(path: Path) -> Path:
    """Write a PDF of few pages that is large because of a stream that no page shows."""
    small = born_digital(path.with_suffix(".small.pdf"), pages=PAGES)
    with pikepdf.open(small) as pdf:
        noise = random.Random(1).randbytes(OBJECT_MIB * MIB)  # noqa: S311 -- no secret
        pdf.Root.Attachment = pdf.make_stream(noise)
        pdf.save(path, compress_streams=False)
    return path


class _Watch(threading.Thread):
    """Notes the most bytes in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._ended = threading.Event()
        self.most_bytes = 0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.most_bytes = max(self.most_bytes, sum(_sizes(self._folder)))

    def end(self) -> None:
        self._ended.set()
        self.join()


def _sizes(folder: Path) -> Iterator[int]:
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # it was deleted meanwhile
                yield (Path(parent) / name).lstat().st_size


async def _run(out: Path, endpoint: str) -> None:
    parameters = OcrBatchParameters(source=f"gs://{BUCKET}/scans", destination=str(out), endpoint=endpoint)
    async with open_batch(parameters, read_settings()) as batch:
        summary = await batch.run("run")
    if not summary.complete or summary.pages != OBJECTS * PAGES:
        raise RuntimeError(f"not every page was read: {summary.stopped_by or summary.trouble}")


def most_bytes(folder: Path, endpoint: str, open_mib: int) -> int:
    """Run once; return the most bytes of temporary files."""
    temporary = folder / f"temporary-{open_mib}"
    temporary.mkdir()
    watch = _Watch(temporary)
    watch.start()
    with (
        mock.patch.object(tempfile, "tempdir", str(temporary)),
        mock.patch.dict(os.environ, PAGEMILL_OPEN_MIB=str(open_mib), TMPDIR=str(temporary)),
    ):
        asyncio.run(_run(folder / f"out-{open_mib}", endpoint))
    watch.end()
    return watch.most_bytes


def main() -> int:
    """Print the table; return 1 if the bound is exceeded."""
    bound_mib: int = Settings.model_fields["open_mib"].default
    promised = bound_mib + 2 * (OBJECT_MIB + 1)  # two documents may exceed it
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            running_gcs(OBJECTS, content=large_pdf(folder / "large.pdf")) as url,
            running_endpoint(0.2) as endpoint,
            mock.patch.dict(os.environ, STORAGE_EMULATOR_HOST=url),
        ):
            free, bound = (most_bytes(folder, endpoint.url, mib) / MIB for mib in (_UNBOUNDED_MIB, bound_mib))
    table = Table(
        "most temporary MiB", "without a bound", f"PAGEMILL_OPEN_MIB={bound_mib}", "promised", "ratio", box=None
    )
    objects = f"{OBJECTS} objects of {OBJECT_MIB} MiB"
    table.add_row(objects, f"{free:.0f}", f"{bound:.0f}", f"<= {promised}", f"{bound / free:.2f}")
    Console().print(table)
    return int(bound > promised)


if __name__ == "__main__":
    sys.exit(main())

"""Pages a second of one and of two render workers, compared with one `pdftoppm -png -scale-to 1540` process a page.

That process a page is what olmOCR starts (`pdftoppm` comes with Debian's poppler-utils). Both turn the same pages into
PNG; the rounds alternate, and the best of each counts. The last column is what looking for damage adds to rendering and
encoding: the fastest of the rounds, page by page, in the same run.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import born_digital, scan
from pagemill.domain.pages.model import Rendering
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer

PAGES = 48
POPPLER_PAGES = 8  # of the same document; each takes long
ROUNDS = 3
MOST_INSPECTION = 0.10  # of rendering and encoding, on healthy files
PROMISED = {"born-digital": 15.0, "scan": 10.0}  # times as fast as pdftoppm, with one worker


class Inspection:
    """What looking for damage costs, from the renderings of all rounds."""

    def __init__(self) -> None:
        self._fastest: dict[int, tuple[float, float]] = {}

    def add(self, rendering: Rendering) -> None:
        """Keep the fastest times of each page."""
        known = self._fastest.get(rendering.number, (math.inf, math.inf))
        times = (rendering.inspect_seconds, rendering.render_seconds + rendering.encode_seconds)
        self._fastest[rendering.number] = (min(known[0], times[0]), min(known[1], times[1]))

    def share(self) -> float:
        """Seconds of inspection for a second of rendering and encoding."""
        inspection, drawing = (sum(times) for times in zip(*self._fastest.values(), strict=True))
        return float(inspection / drawing)


async def pages_per_second(path: Path, workers: int, inspection: Inspection) -> float:
    """Render and encode all pages; the workers are started before."""
    async with PdfiumRasterizer(
        workers=workers, page_seconds=60, memory_bytes=2 * 2**30, options=RenderOptions()
    ) as rasterizer:
        await asyncio.gather(*(rasterizer.render(path, number) for number in range(1, workers + 1)))
        started = time.perf_counter()
        renderings = await asyncio.gather(*(rasterizer.render(path, number) for number in range(1, PAGES + 1)))
        seconds = time.perf_counter() - started
    for rendering in renderings:
        inspection.add(rendering)
    return PAGES / seconds


def pdftoppm_pages_per_second(path: Path, pdftoppm: str) -> float:
    """Render one page after the other, each in its own process."""
    started = time.perf_counter()
    for number in range(1, POPPLER_PAGES + 1):
        pages = ["-f", str(number), "-l", str(number)]
        subprocess.run(
            [pdftoppm, "-png", "-scale-to", "1540", *pages, str(path)], check=True, stdout=subprocess.DEVNULL
        )
    return POPPLER_PAGES / (time.perf_counter() - started)


def main() -> int:
    """Print the table; return 1 if a promise is broken."""
    pdftoppm = shutil.which("pdftoppm")
    if not pdftoppm:
        sys.stderr.write("pdftoppm is missing; install it: apt-get install poppler-utils\n")
        return 2
    columns = ["pages", "pdftoppm, pages/s", "1 worker", "2 workers", "ratio of 1", "promised", "2 to 1", "inspection"]
    table = Table(*columns, box=None)
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            "born-digital": born_digital(Path(folder) / "born.pdf", pages=PAGES),
            "scan": scan(Path(folder) / "scan.pdf", pages=PAGES),
        }
        for kind, path in paths.items():
            poppler = one = two = 0.0
            inspection = Inspection()
            for _ in range(ROUNDS):
                poppler = max(poppler, pdftoppm_pages_per_second(path, pdftoppm))
                one = max(one, asyncio.run(pages_per_second(path, 1, inspection)))
                two = max(two, asyncio.run(pages_per_second(path, 2, inspection)))
            kept = kept and one / poppler >= PROMISED[kind] and inspection.share() <= MOST_INSPECTION
            figures = [f"{poppler:.2f}", f"{one:.1f}", f"{two:.1f}", f"{one / poppler:.1f}", f"{PROMISED[kind]:g}"]
            table.add_row(kind, *figures, f"{two / one:.2f}", f"{inspection.share():.1%} of {MOST_INSPECTION:.0%}")
    Console().print(table)
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())

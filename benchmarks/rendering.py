"""Pages a second of one and of two render workers, compared with one `pdftoppm -png -scale-to 1540` process a page.

That process a page is what olmOCR starts (`pdftoppm` comes with Debian's poppler-utils). Both turn the same pages into
PNG; the rounds alternate, and the best of each counts.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import born_digital, scan
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer

PAGES = 48
POPPLER_PAGES = 8  # of the same document; each takes long
ROUNDS = 3
PROMISED = {"born-digital": 15.0, "scan": 10.0}  # times as fast as pdftoppm, with one worker


async def pages_per_second(path: Path, workers: int) -> float:
    """Render and encode all pages; the workers are started before."""
    async with PdfiumRasterizer(
        workers=workers, page_seconds=60, memory_bytes=2 * 2**30, options=RenderOptions()
    ) as rasterizer:
        await asyncio.gather(*(rasterizer.render(path, number) for number in range(1, workers + 1)))
        started = time.perf_counter()
        await asyncio.gather(*(rasterizer.render(path, number) for number in range(1, PAGES + 1)))
        return PAGES / (time.perf_counter() - started)


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
    table = Table("pages", "pdftoppm, pages/s", "1 worker", "2 workers", "ratio of 1", "promised", "2 to 1", box=None)
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            "born-digital": born_digital(Path(folder) / "born.pdf", pages=PAGES),
            "scan": scan(Path(folder) / "scan.pdf", pages=PAGES),
        }
        for kind, path in paths.items():
            poppler = one = two = 0.0
            for _ in range(ROUNDS):
                poppler = max(poppler, pdftoppm_pages_per_second(path, pdftoppm))
                one = max(one, asyncio.run(pages_per_second(path, 1)))
                two = max(two, asyncio.run(pages_per_second(path, 2)))
            kept = kept and one / poppler >= PROMISED[kind]
            figures = [f"{poppler:.2f}", f"{one:.1f}", f"{two:.1f}", f"{one / poppler:.1f}", f"{PROMISED[kind]:g}"]
            table.add_row(kind, *figures, f"{two / one:.2f}")
    Console().print(table)
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())

"""Every public PDF at hand, rendered and compared with poppler: `python -m benchmarks.poppler [PDF ...]`.

Without arguments: the samples, the canary pages, the faulty inputs of the tests, made documents, and the PDFs that
installed packages carry. Two renderers never draw the same pixels: lines and letters are a little wider here or there.
So both pictures are compared at an eighth of their size. What differs there is shown, the worst first, for people to
look at. The promise is that no page is `blank` that poppler draws. It needs `pdftoppm`, from Debian's poppler-utils.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.corpus import born_digital, scan, stamps
from pagemill.domain.pages.model import Rendering
from pagemill.errors import DocumentUnreadable, PageUnreadable
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer

_ROOT = Path(__file__).parents[1]
_REDUCED = 8  # pixels both ways become one: wider than the edge of a letter
_DARKER_BY = 48  # of 255
_NOISE_SHARE = 0.005  # of the reduced page
_INK = 16  # of 255: darker or brighter than the paper
_LEAST_INK_PX = 8
_MADE_PAGES = 3
_WORST = 12

Picture = NDArray[np.uint8]  # grey levels, shape (h, w)


@dataclass(frozen=True, slots=True)
class Compared:
    """What both renderers make of a page."""

    document: str
    number: int
    status: str  # ours: image, pieces, blank, failed; or "poppler fails"
    share: float = 0.0  # of the page, that differs
    lost: bool = False  # blank here, and drawn by poppler

    @property
    def differs(self) -> bool:
        """Whether it is more than noise."""
        return self.share > _NOISE_SHARE


def compare(ours: Picture | None, theirs: Picture) -> tuple[float, bool]:
    """The share of a page that differs, and whether the page is lost: blank, and yet drawn by poppler.

    Args:
        ours: None: the page is blank.
        theirs: Of the same size.
    """
    if ours is None:
        paper = int(np.median(theirs))
        ink = np.abs(theirs.astype(int) - paper) > _INK
        return float(ink.mean()), int(ink.sum()) >= _LEAST_INK_PX
    return float((np.abs(_reduced(ours) - _reduced(theirs)) > _DARKER_BY).mean()), False


def _reduced(picture: Picture) -> NDArray[np.float64]:
    rows, columns = (max(size // _REDUCED, 1) for size in picture.shape)
    whole = picture[: rows * _REDUCED, : columns * _REDUCED].astype(float)
    means: NDArray[np.float64] = whole.reshape(rows, whole.shape[0] // rows, columns, -1).mean(axis=(1, 3))
    return means


async def compared(paths: list[Path], pdftoppm: str) -> list[Compared]:
    """Render all pages of documents with both; documents that cannot be opened have none."""
    found: list[Compared] = []
    async with PdfiumRasterizer(
        workers=2, page_seconds=60, memory_bytes=2 * 2**30, options=RenderOptions()
    ) as rasterizer:
        for path in paths:
            try:
                async with rasterizer.counted(path) as pdf:
                    pages = range(1, pdf.pages + 1)
                    found += await asyncio.gather(
                        *(_page(rasterizer, pdf.path, path.name, number, pdftoppm) for number in pages)
                    )
            except DocumentUnreadable:
                continue
    return found


async def _page(rasterizer: PdfiumRasterizer, path: Path, name: str, number: int, pdftoppm: str) -> Compared:
    try:
        rendering = await rasterizer.render(path, number)
    except PageUnreadable:
        return Compared(name, number, "failed")
    if rendering.pieces:
        return Compared(name, number, "pieces")
    theirs = await asyncio.to_thread(poppler, path, rendering, pdftoppm)
    if theirs is None:
        return Compared(name, number, "poppler fails")
    ours = _grey(rendering.png) if rendering.png else None
    share, lost = compare(ours, theirs)
    return Compared(name, number, "blank" if rendering.blank else "image", share, lost)


def poppler(path: Path, rendering: Rendering, pdftoppm: str) -> Picture | None:
    """Render a page in the size that it has here; None if poppler does not."""
    wanted = (rendering.width_px, rendering.height_px)
    pages = ["-f", str(rendering.number), "-l", str(rendering.number)]
    for across, down in (wanted, wanted[::-1]):  # of a turned page, pdftoppm means the sides before it is turned
        size = ["-scale-to-x", str(across), "-scale-to-y", str(down)]
        command = [pdftoppm, "-png", "-gray", "-cropbox", *size, *pages, str(path)]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        picture = _grey(done.stdout) if done.stdout.startswith(b"\x89PNG") else None
        if picture is not None and picture.shape == wanted[::-1]:
            return picture
    return None


def _grey(png: bytes) -> Picture:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("L"))


def documents(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """All PDFs at hand, by where they come from; those that are made are written into a folder."""
    yield "samples", sorted((_ROOT / "tests/samples").glob("*.pdf"))
    yield "canary pages", sorted((_ROOT / "src/pagemill/canary").glob("*.pdf"))
    yield "faulty inputs", sorted((_ROOT / "tests/faulty_inputs").glob("*.pdf"))
    makers = (born_digital, scan, stamps)
    yield "made", [make(folder / f"{make.__name__}.pdf", pages=_MADE_PAGES) for make in makers]
    yield "of packages", sorted(Path(sysconfig.get_path("purelib")).rglob("*.pdf"))


def main() -> int:
    """Print what differs; return 1 if a page is blank that poppler draws."""
    pdftoppm = shutil.which("pdftoppm")
    if not pdftoppm:
        sys.stderr.write("pdftoppm is missing; install it: apt-get install poppler-utils\n")
        return 2
    table = Table("documents of", "documents", "pages", "compared", "differ", "blank", "failed", "lost", box=None)
    found: list[Compared] = []
    with tempfile.TemporaryDirectory() as folder:
        named = [("the command line", [Path(name) for name in sys.argv[1:]])]
        for kind, paths in named if sys.argv[1:] else documents(Path(folder)):
            pages = asyncio.run(compared(paths, pdftoppm))
            both = [page for page in pages if page.status in {"image", "blank"}]
            counts = [sum(page.status == status for page in pages) for status in ("blank", "failed")]
            differ = sum(page.differs for page in both)
            figures = [len(paths), len(pages), len(both), differ, *counts, sum(page.lost for page in pages)]
            table.add_row(kind, *map(str, figures))
            found += pages
    console = Console()
    console.print(table)
    worst = sorted((page for page in found if page.differs), key=lambda page: -page.share)
    share = len(worst) / max(sum(page.status in {"image", "blank"} for page in found), 1)
    console.print(f"{share:.1%} of the pages differ by more than noise; the worst:")
    for page in worst[:_WORST]:
        console.print(f"  {page.share:6.1%} of page {page.number} of {page.document}, {page.status}", markup=False)
    for page in (page for page in found if page.lost):
        console.print(f"  page {page.number} of {page.document} is blank, and poppler draws it", markup=False)
    return int(any(page.lost for page in found))


if __name__ == "__main__":
    sys.exit(main())

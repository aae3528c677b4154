"""What a witness proves of nearly empty pages, which way up it finds pages, and what that costs.

    python -m benchmarks.witness [PAGES_OF_EACH_KIND]

The nearly empty pages are drawn by tests/sparse_pages.py; each is rendered from a PDF as a batch does it.
"""

from __future__ import annotations

import functools
import io
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from PIL import Image
from rich.console import Console
from rich.table import Table

from pagemill.batch.climbing import LITTLE_INK
from pagemill.domain.pages.model import Picture, Rendering
from pagemill.local_endpoint.rapidocr_engine import RapidOcrEngine
from pagemill.witness import presence
from pagemill.witness.detector import TextDetector
from pagemill.witness.looking import Looker
from pagemill.witness.marks import marks_of
from tests.in_process import rendered
from tests.sparse_pages import sparse_pages, write_scans

SAMPLES = sorted((Path(__file__).parents[1] / "tests" / "samples").glob("*.pdf"))
LEAST_TURNED_BACK = 0.9
_SEED = 2026


@dataclass
class Kind:
    """What became of the pages of one kind."""

    has_content: bool
    outcomes: Counter[str] = field(default_factory=Counter)


def sparse_set(looker: Looker, of_each: int) -> dict[str, Kind]:
    """Render and look at the nearly empty pages."""
    kinds: dict[str, Kind] = {}
    with tempfile.TemporaryDirectory() as folder:
        for page in sparse_pages(seed=_SEED, of_each=of_each):
            rendering = rendered(write_scans(Path(folder) / "page.pdf", [page]))
            kinds.setdefault(page.kind, Kind(page.has_content)).outcomes[_outcome(rendering, looker)] += 1
    return kinds


def _outcome(rendering: Rendering, looker: Looker) -> str:
    if rendering.blank:
        return "blank without a witness"
    if not rendering.png or not _is_asked(rendering):
        return "sent, not asked"
    return "sent" if looker.regions(rendering.png) else "proved blank"


def _is_asked(rendering: Rendering) -> bool:
    return bool(rendering.png) and (rendering.inner_ink_share or 0.0) < LITTLE_INK


def orientation(looker: Looker) -> tuple[int, int, int, int]:
    """Look at all sample pages, upright and turned: right of the turned ones, their number, touched of the upright."""
    right = turned = touched = upright = 0
    for path, number in _sample_pages():
        for degrees in (0, 90, 180, 270):
            png = rendered(path, number, picture=Picture(turned=degrees)).png
            if not png:
                continue
            found = looker.turned(png)
            if degrees:
                turned += 1
                right += found == 360 - degrees
            else:
                upright += 1
                touched += bool(found)
    return right, turned, touched, upright


def costs(looker: Looker) -> dict[str, float]:
    """Seconds of CPU time a page, in the median: of the looks, and of the whole engine, on the sample pages."""
    engine, detector = RapidOcrEngine(), TextDetector()
    seconds: dict[str, list[float]] = defaultdict(list)
    for path, number in _sample_pages():
        png = rendered(path, number).png
        if not png:
            continue
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        rgb = np.asarray(picture)
        grey = np.ascontiguousarray(rgb.min(axis=2))
        looks: dict[str, Callable[[], object]] = {
            "marks": functools.partial(marks_of, grey),
            "detector": functools.partial(detector.boxes, rgb),
            "orientation": functools.partial(looker.turned, png),
            "whole engine": functools.partial(engine.read, picture),
        }
        for name, look in looks.items():
            before = time.process_time()
            look()
            seconds[name].append(time.process_time() - before)
    return {name: statistics.median(each) for name, each in seconds.items()}


def _sample_pages() -> Iterator[tuple[Path, int]]:
    for path in SAMPLES:
        with pdfium.PdfDocument(path) as document:
            numbers = range(1, len(document) + 1)
        yield from ((path, number) for number in numbers)


def main() -> int:
    """Print what was found; 1 if a page with content was called blank, or a page was turned wrongly."""
    console, looker = Console(), Looker()
    kinds = sparse_set(looker, int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    outcomes = ("proved blank", "sent", "sent, not asked", "blank without a witness")
    table = Table("pages", *outcomes, title="Nearly empty pages")
    for name, kind in kinds.items():
        table.add_row(f"{name}{' (content)' if kind.has_content else ''}", *(str(kind.outcomes[it]) for it in outcomes))
    console.print(table)
    lost = sum(kind.outcomes["proved blank"] for kind in kinds.values() if kind.has_content)
    blank = [kind.outcomes for kind in kinds.values() if not kind.has_content]
    proved = sum(each["proved blank"] for each in blank)
    console.print(f"{proved} of {sum(each.total() for each in blank)} blank pages proved blank; {lost} with content")

    pages = [rendered(path, number) for path, number in _sample_pages()]
    asked = sum(map(_is_asked, pages))
    console.print(f"{asked} of {len(pages)} sample pages asked about before they are sent")

    right, turned, touched = 0, 0, 0
    if presence.can_tell_orientation():
        right, turned, touched, upright = orientation(looker)
        console.print(
            f"{right} of {turned} turned sample pages turned back; {touched} of {upright} upright ones touched"
        )

    found = costs(looker)
    whole = found.pop("whole engine")
    for name, seconds in found.items():
        console.print(f"{name}: {seconds * 1000:.0f} ms of CPU time a page, {seconds / whole:.1%} of the whole engine")
    console.print(f"whole engine: {whole:.1f} s")
    return int(lost > 0 or touched > 0 or right < LEAST_TURNED_BACK * turned)


if __name__ == "__main__":
    sys.exit(main())

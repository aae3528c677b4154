"""How much of a very large page the embedded engine reads: a receipt of 80 mm x 2 m, and a drawing of A0.

    python -m benchmarks.legibility

The pages are tests/faulty_inputs/d1-… and d2-…; their text layers are the truth. Prints a table.
"""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pypdfium2 as pdfium
from PIL import Image
from rich.console import Console
from rich.table import Table

from pagemill.domain.pages.joining import PieceText, join
from pagemill.domain.pages.model import Rendering
from pagemill.local_endpoint.rapidocr_engine import RapidOcrEngine
from pagemill.pdf.page import RenderOptions, RenderPage
from pagemill.pdf.pdf_file import PdfFile
from pagemill.pdf.rendering import PdfPages

_FAULTY = Path(__file__).parents[1] / "tests" / "faulty_inputs"
PAGES = {"receipt of 2 m": "d1-receipt-80mm-x-2m.pdf", "drawing of A0": "d2-a0-drawing.pdf"}

LEAST_FOUND = 0.95
MOST_EXTRA = 0.02  # a word that is read twice is extra


@dataclass(frozen=True)
class Legibility:
    """What was read of a page."""

    words: int  # of its text layer
    found: float  # share of them that was read
    extra: float  # words that were read but are not there, for each word that is
    objections: list[str]  # to how its pieces were joined

    @property
    def good(self) -> bool:
        """Whether the page is legible, and nothing is read twice."""
        return self.found >= LEAST_FOUND and self.extra <= MOST_EXTRA and not self.objections


def legibility(path: Path) -> Legibility:
    """Render the first page of a PDF as a batch does, read its pieces and join their texts."""
    with PdfFile.opened(path) as file:
        rendering = cast("Rendering", PdfPages(RenderOptions()).answer(RenderPage(file, 1)))
    engine = RapidOcrEngine()
    texts = [
        PieceText(engine.read(Image.open(io.BytesIO(piece.png)).convert("RGB")), piece.overlap)
        for piece in rendering.pieces
    ]
    text, objections = join(texts)
    read = _words(text)
    with pdfium.PdfDocument(path) as document:
        wanted = _words(document[0].get_textpage().get_text_bounded())
    total = wanted.total()
    return Legibility(total, (read & wanted).total() / total, (read - wanted).total() / total, list(objections))


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[\w.]+", text))


def main() -> int:
    """Print the table; return 1 if a page is not legible."""
    table = Table("page", "words", "read", "extra", "objections", box=None, title="Large pages, embedded engine")
    found = {name: legibility(_FAULTY / file) for name, file in PAGES.items()}
    for name, page in found.items():
        table.add_row(name, str(page.words), f"{page.found:.1%}", f"{page.extra:.1%}", "; ".join(page.objections))
    Console().print(table)
    return int(not all(page.good for page in found.values()))


if __name__ == "__main__":
    sys.exit(main())

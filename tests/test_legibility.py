"""What a large page comes to, read by the embedded engine: at least 95 % of its words."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from pagemill.domain.pages.joining import PieceText, join
from pagemill.local_endpoint.rapidocr_engine import RapidOcrEngine
from tests.in_process import rendered
from tests.pdfs import write_pdf

pytestmark = pytest.mark.ocr

_FAULTY = Path(__file__).parent / "faulty_inputs"
_MM = 72 / 25.4


def _drawing(path: Path) -> Path:
    """A strip of a drawing as wide as A2, with dimensions of 2.5 mm above their lines, in every part of the sheet."""

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 2.5 * _MM)
        canvas.rect(20, 20, 594 * _MM - 40, 210 * _MM - 40)
        for row in range(3):
            for column in range(5):
                x, y = 60 + column * 330 + row * 17 % 90, 80 + row * 190 + column * 23 % 110
                canvas.drawString(x, y, f"{1000 + 37 * row + 411 * column} mm DN{50 + 5 * row} pos {10 * row + column}")
                canvas.line(x, y - 6, x + 140, y - 6)

    return write_pdf(path, [draw], size=(594 * _MM, 210 * _MM))


@pytest.mark.parametrize("kind", ["receipt of 2 m", "drawing of A0", "drawing with many dimensions"])
def test_large_pages_come_out_legible(tmp_path: Path, kind: str) -> None:
    path = {
        "receipt of 2 m": lambda: _FAULTY / "d1-receipt-80mm-x-2m.pdf",
        "drawing of A0": lambda: _FAULTY / "d2-a0-drawing.pdf",
        "drawing with many dimensions": lambda: _drawing(tmp_path / "a.pdf"),
    }[kind]()

    rendering = rendered(path)
    engine = RapidOcrEngine()
    texts = [
        PieceText(engine.read(Image.open(io.BytesIO(piece.png)).convert("RGB")), piece.overlap)
        for piece in rendering.pieces
    ]
    read, objections = join(texts)

    found, wanted = _words(read), _words(pdfium.PdfDocument(path)[0].get_textpage().get_text_bounded())
    assert (found & wanted).total() >= 0.95 * wanted.total()
    assert (found - wanted).total() <= 0.02 * wanted.total()  # nothing is read twice
    assert not objections


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[\w.]+", text))

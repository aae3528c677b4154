"""What large pages come to, read by the embedded engine; benchmarks/legibility.py reads denser ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from benchmarks.legibility import legibility
from tests.pdfs import write_pdf

pytestmark = pytest.mark.ocr

_MM = 72 / 25.4


def _receipt(path: Path) -> Path:
    """80 mm x 90 cm, with a line of print every 30 mm."""

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        for line in range(29):
            canvas.drawString(
                8, 30 + line * 30 * _MM, f"{line:03} item {7919 * line % 1000} EUR {line}.{line % 90 + 10}"
            )

    return write_pdf(path, [draw], size=(80 * _MM, 900 * _MM))


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


@pytest.mark.parametrize("page", [_receipt, _drawing])
def test_large_pages_come_out_legible(tmp_path: Path, page: Callable[[Path], Path]) -> None:
    read = legibility(page(tmp_path / "a.pdf"))

    assert read.words > 40
    assert read.good, read

"""Small PDFs for tests, made with reportlab and pikepdf."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

Draw = Callable[[Canvas], object]


def write_pdf(path: Path, pages: Sequence[Draw | str], *, size: tuple[float, float] = A4) -> Path:
    """Write a PDF with one page for each text or drawing function; the same arguments give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = Canvas(str(path), pagesize=size, invariant=1)
    for page in pages:
        if isinstance(page, str):
            canvas.setFont("Helvetica", 24)
            canvas.drawString(72, size[1] / 2, page)
        else:
            page(canvas)
        canvas.showPage()
    canvas.save()
    return path


def numbered_pdf(path: Path, pages: int) -> Path:
    """Write a PDF whose pages say which they are, of which document."""
    return write_pdf(path, [f"{path.stem}: page {number}" for number in range(1, pages + 1)])

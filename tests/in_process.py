"""What a render worker does, without the process around it."""

from __future__ import annotations

from pathlib import Path

from pagemill.domain.pages.model import STANDARD_PICTURE, CountedPdf, Picture, Rendering
from pagemill.pdf.page import CountPages, RenderOptions, RenderPage
from pagemill.pdf.pdf_file import PdfFile
from pagemill.pdf.rendering import PdfPages


def rendered(
    path: Path, number: int = 1, options: RenderOptions | None = None, picture: Picture = STANDARD_PICTURE
) -> Rendering:
    """Render one page of a file."""
    with PdfFile.opened(path) as file:
        rendering = PdfPages(options or RenderOptions()).answer(RenderPage(file, number, picture))
    assert isinstance(rendering, Rendering)
    return rendering


def counted(path: Path, copy: Path) -> CountedPdf:
    """Count the pages of a file; `copy` is where a repaired copy is written."""
    with PdfFile.opened(path) as file, PdfFile.created(copy) as place:
        found = PdfPages(RenderOptions()).answer(CountPages(file, place))
    assert isinstance(found, CountedPdf)
    if found.path != copy:
        copy.unlink()
    return found

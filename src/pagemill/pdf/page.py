"""What a render worker is asked, and how it renders."""

from __future__ import annotations

from dataclasses import dataclass

from pagemill.domain.pages.model import STANDARD_PICTURE, Picture
from pagemill.pdf.pdf_file import PdfFile


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How pages are rendered; the same for a whole run."""

    longest_edge_px: int = 1540
    max_dpi: int = 300
    max_pieces: int = 32  # that a page may be cut into
    skip_blank: bool = True  # False: a page without ink is rendered like any other
    prefer_text: bool = False  # True: a usable text layer is returned instead of an image


@dataclass(frozen=True, slots=True)
class CountPages:
    """Asks a worker for the number of pages of a PDF."""

    file: PdfFile
    copy: PdfFile | None  # where the worker writes a repaired copy, if the PDF needs one; None: there is no room


@dataclass(frozen=True, slots=True)
class RenderPage:
    """Asks a worker for one page, 1-based."""

    file: PdfFile
    number: int
    picture: Picture = STANDARD_PICTURE

"""Opens, counts and renders PDF pages with PDFium. For render workers only: it may crash, and is not thread-safe."""

from __future__ import annotations

import math
import os
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from pagemill.domain.pages.model import Rendering
from pagemill.domain.pages.quality import text_layer_is_usable
from pagemill.errors import DocumentUnreadable, PageUnreadable
from pagemill.pdf import blank as ink
from pagemill.pdf import forms, png

if TYPE_CHECKING:
    from pagemill.pdf.inspection import Inspector

_POINTS_PER_INCH = 72
_SMALLEST_EDGE_PX = 28  # one token of the model covers 28 x 28 px
_LARGEST_DECODED_IMAGE_BYTES = 512 * 2**20  # above this, PDFium runs out of its 2 GiB and silently renders nothing
_UNKNOWN_BITS_PER_PIXEL = 24  # PDFium says 0 for an image that it does not decode
_SCAN_SHARE = 0.5  # an image that covers more of the page is a scan; text over it is a stamp or old OCR
_OPEN_DOCUMENTS = 2  # pages come document by document; the next one begins while the last pages of one are rendered
_HEADER_WITHIN = 1024  # PDF 1.7, implementation note 13: the header may stand anywhere in the first 1024 bytes


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How pages are rendered; the same for a whole run."""

    longest_edge_px: int = 1540
    max_dpi: int = 300
    skip_blank: bool = True  # False: a page without ink is rendered like any other
    prefer_text: bool = False  # True: a usable text layer is returned instead of an image


@dataclass(frozen=True, slots=True)
class CountPages:
    """Asks a worker for the number of pages of a PDF."""

    path: Path


@dataclass(frozen=True, slots=True)
class RenderPage:
    """Asks a worker for one page, 1-based."""

    path: Path
    number: int


class PdfPages:
    """Answers a worker's requests. Keeps the latest documents open: a worker opens each once, not once a page."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options
        self._inspector: Inspector | None = None  # imported with the first page: only render workers need pikepdf
        self._open: OrderedDict[Path, pdfium.PdfDocument] = OrderedDict()

    def answer(self, request: CountPages | RenderPage) -> int | Rendering:
        """Count the pages of a document, or render one page.

        Raises:
            DocumentUnreadable: The file cannot be opened as a PDF.
            PageUnreadable: The page cannot be rendered.
        """
        document = self._document(request.path)
        if isinstance(request, CountPages):
            return len(document)  # at least one: pypdfium2 does not open a PDF without pages
        if not self._inspector:
            from pagemill.pdf.inspection import Inspector  # noqa: PLC0415 -- see `_inspector`

            self._inspector = Inspector()
        return _render(document, request, self._options, self._inspector)

    def _document(self, path: Path) -> pdfium.PdfDocument:
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        document = _open_document(path)
        self._open[path] = document
        if len(self._open) > _OPEN_DOCUMENTS:
            self._open.popitem(last=False)[1].close()
        return document


def _open_document(path: Path) -> pdfium.PdfDocument:
    try:
        document = pdfium.PdfDocument(path)
        forms.enable(document)  # before any page is loaded: without it, the fields of many forms are empty
    except pdfium.PdfiumError as error:
        raise DocumentUnreadable(_why_it_does_not_open(path, error)) from error
    except OSError as error:
        raise DocumentUnreadable(f"cannot be read: {error.strerror or error}") from error
    if document.get_formtype() == pdfium_c.FORMTYPE_XFA_FULL:
        document.close()
        raise DocumentUnreadable(
            "a dynamic XFA form, whose pages exist only in Adobe's own format; print it to PDF with Adobe Reader first"
        )
    return document


def _why_it_does_not_open(path: Path, error: pdfium.PdfiumError) -> str:
    with path.open("rb") as file:
        head = file.read(_HEADER_WITHIN)
    if not head:
        return "the file is empty (0 bytes); fetch it again"
    if b"%PDF-" not in head:
        return f"not a PDF: it begins with {head[:8]!r}"
    if _opens_without_pages(path):
        return "the PDF has no pages, or none that can be found; fetch it again, or try: qpdf IN.pdf OUT.pdf"
    if error.err_code in {pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY}:
        return "password-protected; remove the password first: qpdf --decrypt --password=PASSWORD IN.pdf OUT.pdf"
    return "damaged: no readable PDF structure, often a truncated download; fetch it again, or try: qpdf IN.pdf OUT.pdf"


def _opens_without_pages(path: Path) -> bool:
    """Tell a PDF without pages from one that does not open.

    pypdfium2 reports both in the same way, and a load that succeeds does not reset the last error, which may be of an
    earlier document.
    """
    handle = pdfium_c.FPDF_LoadDocument(os.fsencode(path) + b"\x00", None)
    if not handle:
        return False
    pdfium_c.FPDF_CloseDocument(handle)
    return True


def _render(
    document: pdfium.PdfDocument, request: RenderPage, options: RenderOptions, inspector: Inspector
) -> Rendering:
    started = time.perf_counter()
    try:
        page = document[request.number - 1]
    except (pdfium.PdfiumError, IndexError) as error:
        raise PageUnreadable("the page is damaged: PDFium cannot load it; try: qpdf IN.pdf OUT.pdf") from error
    try:
        return _render_page(page, request, options, inspector, started)
    except pdfium.PdfiumError as error:
        raise PageUnreadable(f"PDFium cannot render the page: {error}") from error
    finally:
        page.close()


def _render_page(
    page: pdfium.PdfPage, request: RenderPage, options: RenderOptions, inspector: Inspector, started: float
) -> Rendering:
    number = request.number
    scale = _scale(page.get_size(), options)
    scanned = _check_images(page)
    width_px, height_px = (math.ceil(side * scale) for side in page.get_size())
    if options.prefer_text and not scanned:
        text = page.get_textpage().get_text_bounded()
        if text_layer_is_usable(text):
            found = inspector.findings(request.path, page, number, None)
            seconds = time.perf_counter() - started
            return Rendering(number, width_px, height_px, None, text=text, objections=found, render_seconds=seconds)

    bitmap = page.render(scale=scale, prefer_bgrx=True)  # four bytes a pixel render faster than three
    bgrx = _pixels(bitmap)
    rendered = time.perf_counter()
    if options.skip_blank and ink.is_uniform(bgrx):
        inspector.assert_blank(request.path, page, number, bgrx)
        return Rendering(number, width_px, height_px, None, blank=True, render_seconds=rendered - started)
    found = inspector.findings(request.path, page, number, bgrx)
    inspected = time.perf_counter()
    image = png.encode(bgrx)
    encoded = time.perf_counter()
    bitmap.close()
    return Rendering(
        number,
        width_px,
        height_px,
        image,
        objections=found,
        render_seconds=rendered - started,
        inspect_seconds=inspected - rendered,
        encode_seconds=encoded - inspected,
    )


def _scale(size_points: tuple[float, float], options: RenderOptions) -> float:
    """Pixels a point, so that the longest side is exactly `longest_edge_px`, but never above `max_dpi`."""
    longest, shortest = max(size_points), min(size_points)
    if not (math.isfinite(longest) and shortest > 0):
        raise PageUnreadable(f"the page has no area: {size_points[0]:g} x {size_points[1]:g} points")
    # Slightly less: rounding up 1540.0000000000002 would give 1541 pixels.
    scale = min(options.longest_edge_px / longest * (1 - 1e-12), options.max_dpi / _POINTS_PER_INCH)
    if shortest * scale < _SMALLEST_EDGE_PX:
        raise PageUnreadable(
            f"the page is too narrow to read: {size_points[0]:g} x {size_points[1]:g} points become "
            f"{math.ceil(longest * scale)} x {math.ceil(shortest * scale)} pixels; cut it into shorter pages"
        )
    return scale


def _check_images(page: pdfium.PdfPage) -> bool:
    """Refuse images that are too large to decode; tell whether one image covers most of the page."""
    scanned = False
    page_area = math.prod(page.get_size())
    for image in ink.images(page):
        width_px, height_px = image.get_px_size()
        bits = image.get_metadata().bits_per_pixel or _UNKNOWN_BITS_PER_PIXEL
        decoded_bytes = width_px * height_px * bits // 8
        if decoded_bytes > _LARGEST_DECODED_IMAGE_BYTES:
            raise PageUnreadable(
                f"an image of {width_px} x {height_px} pixels on the page is too large to decode; downsample it first"
            )
        left, bottom, right, top = image.get_bounds()
        scanned = scanned or (right - left) * (top - bottom) > _SCAN_SHARE * page_area
    return scanned


def _pixels(bitmap: pdfium.PdfBitmap) -> NDArray[np.uint32]:
    rows = np.frombuffer(bitmap.buffer, np.uint32).reshape(bitmap.height, bitmap.stride // 4)
    return rows[:, : bitmap.width]

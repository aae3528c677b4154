"""Opens, counts and renders PDF pages with PDFium. For render workers only: it may crash, and is not thread-safe."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from pagemill.domain.pages.model import CountedPdf, Rendering
from pagemill.errors import DocumentUnreadable, PageUnreadable
from pagemill.pdf import blank as ink
from pagemill.pdf import file_end, png
from pagemill.pdf.documents import StructureDamaged, open_document
from pagemill.pdf.text_layer import usable_text

_POINTS_PER_INCH = 72
_SMALLEST_EDGE_PX = 28  # one token of the model covers 28 x 28 px
_LARGEST_DECODED_IMAGE_BYTES = 512 * 2**20  # above this, PDFium runs out of its 2 GiB and silently renders nothing
_UNKNOWN_BITS_PER_PIXEL = 24  # PDFium says 0 for an image that it does not decode
_OPEN_DOCUMENTS = 2  # pages come document by document; the next one begins while the last pages of one are rendered


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
    copy: Path  # where the worker writes a repaired copy, if the PDF needs one


@dataclass(frozen=True, slots=True)
class RenderPage:
    """Asks a worker for one page, 1-based."""

    path: Path
    number: int


class PdfPages:
    """Answers a worker's requests. Keeps the latest documents open: a worker opens each once, not once a page."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options
        self._open: OrderedDict[Path, pdfium.PdfDocument] = OrderedDict()

    def answer(self, request: CountPages | RenderPage) -> CountedPdf | Rendering:
        """Count the pages of a document, or render one page.

        Raises:
            DocumentUnreadable: The file cannot be opened as a PDF.
            PageUnreadable: The page cannot be rendered.
        """
        if isinstance(request, CountPages):
            return self._count(request)
        return _render(self._document(request.path), request.number, self._options)

    def _count(self, request: CountPages) -> CountedPdf:
        from pagemill.pdf import counting  # noqa: PLC0415 -- only render workers need pikepdf

        try:
            document = self._document(request.path)
        except StructureDamaged as damage:
            rebuilt = counting.rebuild(request.path, request.copy)
            if rebuilt:
                return rebuilt
            raise DocumentUnreadable("; ".join([str(damage), *file_end.findings(request.path)])) from damage
        return counting.count(document, request.path, request.copy)

    def _document(self, path: Path) -> pdfium.PdfDocument:
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        document = open_document(path)
        self._open[path] = document
        if len(self._open) > _OPEN_DOCUMENTS:
            self._open.popitem(last=False)[1].close()
        return document


def _render(document: pdfium.PdfDocument, number: int, options: RenderOptions) -> Rendering:
    started = time.perf_counter()
    try:
        page = document[number - 1]
    except (pdfium.PdfiumError, IndexError) as error:
        raise PageUnreadable("the page is damaged: PDFium cannot load it") from error
    try:
        return _render_page(page, number, options, started)
    except pdfium.PdfiumError as error:
        raise PageUnreadable(f"PDFium cannot render the page: {error}") from error
    finally:
        page.close()


def _render_page(page: pdfium.PdfPage, number: int, options: RenderOptions, started: float) -> Rendering:
    scale = _scale(page.get_size(), options)
    _check_images(page)
    width_px, height_px = (math.ceil(side * scale) for side in page.get_size())
    if options.prefer_text:
        text = usable_text(page)
        if text is not None:
            seconds = time.perf_counter() - started
            return Rendering(number, width_px, height_px, None, text=text, render_seconds=seconds)

    bitmap = page.render(scale=scale, prefer_bgrx=True)  # four bytes a pixel render faster than three
    bgrx = _pixels(bitmap)
    rendered = time.perf_counter()
    if options.skip_blank and ink.is_uniform(bgrx):
        ink.assert_nothing_to_render(page, paper=int(bgrx[0, 0]))
        return Rendering(number, width_px, height_px, None, blank=True, render_seconds=rendered - started)
    image = png.encode(bgrx)
    encoded = time.perf_counter()
    bitmap.close()
    return Rendering(
        number, width_px, height_px, image, render_seconds=rendered - started, encode_seconds=encoded - rendered
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


def _check_images(page: pdfium.PdfPage) -> None:
    """Refuse images that are too large to decode."""
    for image in ink.images(page):
        width_px, height_px = image.get_px_size()
        bits = image.get_metadata().bits_per_pixel or _UNKNOWN_BITS_PER_PIXEL
        decoded_bytes = width_px * height_px * bits // 8
        if decoded_bytes > _LARGEST_DECODED_IMAGE_BYTES:
            raise PageUnreadable(
                f"an image of {width_px} x {height_px} pixels on the page is too large to decode; downsample it first"
            )


def _pixels(bitmap: pdfium.PdfBitmap) -> NDArray[np.uint32]:
    rows = np.frombuffer(bitmap.buffer, np.uint32).reshape(bitmap.height, bitmap.stride // 4)
    return rows[:, : bitmap.width]

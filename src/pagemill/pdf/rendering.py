"""Opens, counts and renders PDF pages with PDFium. For render workers only: it may crash, and is not thread-safe.

Everything is imported with this module: a contained worker may load little later, and the time of its first page runs.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from pagemill.domain.pages.model import CountedPdf, Rendering
from pagemill.domain.pages.sizes import Sizes
from pagemill.errors import DocumentUnreadable, PageUnreadable
from pagemill.pdf import blank as ink
from pagemill.pdf import counting, file_end, scale
from pagemill.pdf.documents import StructureDamaged, open_document
from pagemill.pdf.inspection import Inspector
from pagemill.pdf.measures import ink_shares, layer_of
from pagemill.pdf.page import CountPages, RenderOptions, RenderPage
from pagemill.pdf.pdf_file import PdfFile
from pagemill.pdf.pieces import image_or_pieces
from pagemill.pdf.text_layer import usable_text

_LARGEST_DECODED_IMAGE_BYTES = 512 * 2**20  # above this, PDFium runs out of its 2 GiB and silently renders nothing
_UNKNOWN_BITS_PER_PIXEL = 24  # PDFium says 0 for an image that it does not decode
_OPEN_DOCUMENTS = 2  # pages come document by document; the next one begins while the last pages of one are rendered


class PdfPages:
    """Answers a worker's requests. Keeps the latest documents open: a worker opens each once, not once a page."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options
        self._inspector = Inspector()
        self._open: OrderedDict[Path, pdfium.PdfDocument] = OrderedDict()

    def answer(self, request: CountPages | RenderPage) -> CountedPdf | Rendering:
        """Count the pages of a document, or render one page.

        Raises:
            DocumentUnreadable: The file cannot be opened as a PDF.
            PageUnreadable: The page cannot be rendered.
        """
        if isinstance(request, CountPages):
            return self._count(request)
        document = self._document(request.file)
        user_unit = self._inspector.user_unit(request.file, request.number)
        with self._inspector.started(request.file, request.number):
            return _render(document, request, user_unit, self._options, self._inspector)

    def _count(self, request: CountPages) -> CountedPdf:
        try:
            document = self._document(request.file)
        except StructureDamaged as damage:
            rebuilt = counting.rebuild(request.file, request.copy)
            if rebuilt:
                return rebuilt
            raise DocumentUnreadable("; ".join([str(damage), *file_end.findings(request.file)])) from damage
        return counting.count(document, request.file, request.copy)

    def _document(self, file: PdfFile) -> pdfium.PdfDocument:
        path = file.path
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        document = open_document(file)
        self._open[path] = document
        if len(self._open) > _OPEN_DOCUMENTS:
            self._open.popitem(last=False)[1].close()
        return document


def _render(
    document: pdfium.PdfDocument, request: RenderPage, user_unit: float, options: RenderOptions, inspector: Inspector
) -> Rendering:
    started = time.perf_counter()
    try:
        page = scale.load_page(document, request.number)
    except (pdfium.PdfiumError, IndexError) as error:
        raise PageUnreadable("the page is damaged: PDFium cannot load it") from error
    try:
        with scale.turned(page, request.picture.turned):
            return _render_page(page, request, user_unit, options, inspector, started=started)
    except pdfium.PdfiumError as error:
        raise PageUnreadable(f"PDFium cannot render the page: {error}") from error
    finally:
        page.close()


def _render_page(
    page: pdfium.PdfPage,
    request: RenderPage,
    user_unit: float,
    options: RenderOptions,
    inspector: Inspector,
    *,
    started: float,
) -> Rendering:
    number = request.number
    _check_images(page)
    if options.prefer_text:
        text = usable_text(page)
        if text is not None:
            found = inspector.findings(request.file, page, number, None)
            seconds = time.perf_counter() - started
            return Rendering(number, 0, 0, None, text=text, objections=found, render_seconds=seconds)

    sizes = Sizes(options.longest_edge_px, options.max_dpi, options.max_pieces)
    known, plan = scale.plan(page, user_unit, sizes, request.picture)
    bitmap, dpi = scale.render(page, plan), round(plan.dpi, 1)
    bgrx = _pixels(bitmap)
    height_px, width_px = bgrx.shape
    rendered = time.perf_counter()
    if options.skip_blank and ink.is_uniform(bgrx):
        inspector.assert_blank(request.file, page, number, scale.pixels_of(page, plan, bgrx))
        return Rendering(number, width_px, height_px, None, blank=True, dpi=dpi, render_seconds=rendered - started)
    (inked, inner), layer = ink_shares(bgrx), layer_of(page)  # while the second reader looks
    found = inspector.findings(request.file, page, number, scale.pixels_of(page, plan, bgrx))
    inspected = time.perf_counter()
    image, pieces, findings = image_or_pieces(bgrx, plan, known)
    encoded = time.perf_counter()
    bitmap.close()
    return Rendering(
        number,
        width_px,
        height_px,
        image,
        pieces=pieces,
        objections=(*found, *findings),
        dpi=dpi,
        ink_share=inked,
        inner_ink_share=inner,
        layer=layer,
        render_seconds=rendered - started,
        inspect_seconds=inspected - rendered,
        encode_seconds=encoded - inspected,
    )


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

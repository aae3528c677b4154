"""Tells a page that is really blank from one whose objects PDFium silently failed to render.

When PDFium cannot decode an image, load a font or get memory, it renders a white page and reports no error. So a page
that is rendered in one colour counts as blank only if each of its objects is known to leave no mark: spaces, invisible
text, paths in the colour of the paper, and images whose data is one colour throughout, as the backs of sheets are in
every scanned archive.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from pagemill.errors import PageUnreadable

_FIRST_ROW_BITS = 64  # longer than the code of any row of one colour

_NAMES = {
    pdfium_c.FPDF_PAGEOBJ_TEXT: "text",
    pdfium_c.FPDF_PAGEOBJ_PATH: "path",
    pdfium_c.FPDF_PAGEOBJ_IMAGE: "image",
    pdfium_c.FPDF_PAGEOBJ_SHADING: "shading",
}


def is_uniform(bgrx: NDArray[np.uint32]) -> bool:
    """Tell whether all pixels are the same."""
    return bool((bgrx[0] == bgrx[0, 0]).all()) and bool(bgrx.min() == bgrx.max())


def images(page: pdfium.PdfPage) -> Iterator[pdfium.PdfImage]:
    """Yield the images on the page itself; the memory limit covers those inside form XObjects."""
    for index in range(pdfium_c.FPDFPage_CountObjects(page)):
        handle = pdfium_c.FPDFPage_GetObject(page, index)
        if pdfium_c.FPDFPageObj_GetType(handle) == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            yield pdfium.PdfImage(handle, page=page, pdf=page.pdf)


def assert_nothing_to_render(page: pdfium.PdfPage, *, paper: int) -> None:
    """Check that a page rendered in one colour has no object that should have left a mark.

    Args:
        page: The page.
        paper: The colour it was rendered in, as a BGRx pixel.

    Raises:
        PageUnreadable: It has such objects: rendering them failed.
    """
    missing: set[str] = set()
    for item in page.get_objects():
        if item.type in _NAMES and not _leaves_no_mark(item, paper & 0xFFFFFF):
            missing.add(_NAMES[item.type])
    if "text" in missing and not page.get_textpage().get_text_bounded().strip():
        missing.remove("text")  # nothing but spaces
    if missing:
        what = ", ".join(sorted(missing))
        raise PageUnreadable(
            f"the page came out empty although it holds objects ({what}): PDFium could not render them; "
            "print the document to a new PDF with another viewer"
        )


def _leaves_no_mark(item: pdfium.PdfObject, paper: int) -> bool:
    if item.type == pdfium_c.FPDF_PAGEOBJ_TEXT:
        return bool(pdfium_c.FPDFTextObj_GetTextRenderMode(item) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE)
    if item.type == pdfium_c.FPDF_PAGEOBJ_PATH:
        return _has_colour(item, paper)
    if item.type == pdfium_c.FPDF_PAGEOBJ_IMAGE:
        return _is_one_colour(item)
    return False


def _has_colour(path: pdfium.PdfObject, colour: int) -> bool:
    fill_mode, stroked = ctypes.c_int(), ctypes.c_int()
    if not pdfium_c.FPDFPath_GetDrawMode(path, fill_mode, stroked):
        return False
    colours = []
    if fill_mode.value != pdfium_c.FPDF_FILLMODE_NONE:
        colours.append(_colour(path, pdfium_c.FPDFPageObj_GetFillColor))
    if stroked.value:
        colours.append(_colour(path, pdfium_c.FPDFPageObj_GetStrokeColor))
    return all(found == colour for found in colours)


def _colour(path: pdfium.PdfObject, get: Callable[..., int]) -> int | None:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not get(path, red, green, blue, alpha):
        return None  # a pattern or a shading
    return blue.value | green.value << 8 | red.value << 16


def _is_one_colour(image: pdfium.PdfImage) -> bool:
    """Tell whether an image's own data proves that it shows nothing.

    PDFium's decoded pixels prove nothing: it decodes damaged JBIG2 data to white without an error.
    """
    try:
        data = image.get_data(decode_simple=True)
        filters = image.get_filters(skip_simple=True)
        width_px, height_px = image.get_px_size()
        bits_per_pixel = image.get_metadata().bits_per_pixel
    except pdfium.PdfiumError:
        return False
    if filters == ["CCITTFaxDecode"]:
        return _repeats_one_row(bytes(data), height_px)
    return not filters and _is_one_value(np.frombuffer(data, np.uint8), height_px, width_px * bits_per_pixel)


def _repeats_one_row(fax: bytes, height_px: int) -> bool:
    """Tell whether Group 4 data codes a first row, and then only copies of it.

    A row equal to the one above is coded by V0, a single 1 bit, for each of its changes of colour and for its end
    (ITU-T T.6, 2.2.5). A white page is one V0 a row from the first on; a page in the other colour is its first row and
    two V0 a row. Rows of text cannot be coded with so few bits.
    """
    zeros = np.flatnonzero(np.unpackbits(np.frombuffer(fax, np.uint8)) == 0)
    first_row_ends, rows_end = -1, 8 * len(fax)
    for zero in zeros[:_FIRST_ROW_BITS]:
        if zero >= _FIRST_ROW_BITS:
            rows_end = int(zero)
            break
        first_row_ends = int(zero)
    copies = rows_end - first_row_ends - 1
    return copies >= (height_px if first_row_ends < 0 else 2 * (height_px - 1))


def _is_one_value(data: NDArray[np.uint8], height_px: int, row_bits: int) -> bool:
    row_bytes, full_bytes = (row_bits + 7) // 8, row_bits // 8
    if not full_bytes or len(data) < height_px * row_bytes:
        return False
    rows = data[: height_px * row_bytes].reshape(height_px, row_bytes)[:, :full_bytes]  # without a row's padding
    return bool((rows == rows[0, 0]).all())

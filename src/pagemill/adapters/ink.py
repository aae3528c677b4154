"""Is a page without ink really blank, or did the drawing of its objects silently fail?

PDFium answers an image that it cannot decode, a font that it cannot load or memory that it cannot get with a white page
and no error. So a page that comes out in one colour counts as blank only if each of its objects is known to leave no
mark: spaces, invisible text, paths in the colour of the paper, and images that decode to one colour, as the backs of
sheets do in every scanned archive.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from pagemill.errors import PageUnreadable

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
    """Yield the images that stand on the page itself. Those inside form XObjects are left to the memory limit."""
    for index in range(pdfium_c.FPDFPage_CountObjects(page)):
        handle = pdfium_c.FPDFPage_GetObject(page, index)
        if pdfium_c.FPDFPageObj_GetType(handle) == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            yield pdfium.PdfImage(handle, page=page, pdf=page.pdf)


def assert_nothing_to_draw(page: pdfium.PdfPage, *, paper: int) -> None:
    """Check that a page drawn in one colour has no object that should have left a mark.

    Args:
        page: The page.
        paper: The colour it came out in, as a BGRx pixel.

    Raises:
        PageUnreadable: It has such objects: drawing them failed.
    """
    unseen: Counter[str] = Counter()
    for thing in page.get_objects():
        if thing.type in _NAMES and not _leaves_no_mark(thing, paper & 0xFFFFFF):
            unseen[_NAMES[thing.type]] += 1
    has_text = unseen.pop("text", 0) and page.get_textpage().get_text_bounded().strip()
    if has_text:
        unseen["text"] = 1
    if unseen:
        what = ", ".join(sorted(unseen))
        raise PageUnreadable(
            f"the page came out empty although it holds objects ({what}): PDFium could not draw them; "
            "print the document to a new PDF with another viewer"
        )


def _leaves_no_mark(thing: pdfium.PdfObject, paper: int) -> bool:
    if thing.type == pdfium_c.FPDF_PAGEOBJ_TEXT:
        return bool(pdfium_c.FPDFTextObj_GetTextRenderMode(thing) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE)
    if thing.type == pdfium_c.FPDF_PAGEOBJ_PATH:
        return _is_drawn_in(paper, thing)
    if thing.type == pdfium_c.FPDF_PAGEOBJ_IMAGE:
        return _decodes_to_one_colour(thing)
    return False


def _is_drawn_in(paper: int, path: pdfium.PdfObject) -> bool:
    fill_mode, stroked = ctypes.c_int(), ctypes.c_int()
    if not pdfium_c.FPDFPath_GetDrawMode(path, fill_mode, stroked):
        return False
    colours = []
    if fill_mode.value != pdfium_c.FPDF_FILLMODE_NONE:
        colours.append(_colour(path, pdfium_c.FPDFPageObj_GetFillColor))
    if stroked.value:
        colours.append(_colour(path, pdfium_c.FPDFPageObj_GetStrokeColor))
    return all(colour == paper for colour in colours)


def _colour(path: pdfium.PdfObject, get: Callable[..., int]) -> int | None:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not get(path, red, green, blue, alpha):
        return None  # a pattern or a shading
    return blue.value | green.value << 8 | red.value << 16


def _decodes_to_one_colour(image: pdfium.PdfImage) -> bool:
    try:
        bitmap = image.get_bitmap()
    except pdfium.PdfiumError:
        return False
    pixels = bitmap.to_numpy()
    return bool((pixels == pixels[0, 0]).all())

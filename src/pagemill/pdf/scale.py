"""How large a page is rendered, and which part of it: what PDFium knows of the page, put to the rules of `sizes`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from pagemill.domain.pages.model import STANDARD_PICTURE, Picture
from pagemill.domain.pages.pictures import pictured
from pagemill.domain.pages.sizes import Contents, Sheet, Sizes, is_one_picture, is_usual, layout
from pagemill.domain.pages.tiling import Layout
from pagemill.pdf.blank import PagePixels
from pagemill.pdf.contents import contents, sampled_lettering


def load_page(document: pdfium.PdfDocument, number: int) -> pdfium.PdfPage:
    """Load a page, 1-based. Where the crop box leaves nothing of the media box, viewers show all of the media box."""
    page = document[number - 1]
    if min(page.get_size()) > 0:
        return page
    page.set_cropbox(*page.get_mediabox())
    page.close()
    return document[number - 1]


@contextlib.contextmanager
def turned(page: pdfium.PdfPage, degrees: int) -> Iterator[None]:
    """Turn a page clockwise, until the context ends: the document stays open for its other pages."""
    before = page.get_rotation()
    if degrees:
        page.set_rotation((before + degrees) % 360)
    try:
        yield
    finally:
        if degrees:
            page.set_rotation(before)


def plan(
    page: pdfium.PdfPage, user_unit: float, sizes: Sizes, picture: Picture = STANDARD_PICTURE
) -> tuple[Contents, Layout]:
    """Decide how large to render a page. Only those of unusual size or with tiny text are looked at closely.

    Args:
        page: The page, turned as the picture is.
        user_unit: Of the page.
        sizes: The bounds.
        picture: Which picture of it.

    Raises:
        PageUnreadable: The page has no area, or needs more pieces than allowed.
    """
    width, height = page.get_size()
    sheet = Sheet(width, height, user_unit)
    if picture.magnification <= 1 and is_usual(sheet, sizes):
        known = sampled_lettering(page)
        if is_one_picture(sheet, known, sizes):
            return known, pictured(layout(sheet, known, sizes), sheet, known, sizes, picture)
    known = contents(page)
    return known, pictured(layout(sheet, known, sizes), sheet, known, sizes, picture)


def render(page: pdfium.PdfPage, found: Layout) -> pdfium.PdfBitmap:
    """Render the layout's window of a page; four bytes a pixel render faster than three."""
    if found.is_whole_page:
        return page.render(scale=found.scale, prefer_bgrx=True)
    width_px, height_px = (math.ceil(side * found.scale) for side in page.get_size())
    window = found.window
    right, bottom = width_px - window.left - window.width, height_px - window.top - window.height
    # Half a pixel less: pypdfium2 rounds up.
    left, bottom, right, top = (max(side - 0.5, 0) / found.scale for side in (window.left, bottom, right, window.top))
    return page.render(scale=found.scale, crop=(left, bottom, right, top), prefer_bgrx=True)


def pixels_of(page: pdfium.PdfPage, found: Layout, bgrx: NDArray[np.uint32]) -> PagePixels:
    """What `render` returned, with its place on the page."""
    if found.is_whole_page:
        return PagePixels.of_page(bgrx)
    width_px, height_px = (math.ceil(side * found.scale) for side in page.get_size())
    return PagePixels(bgrx, width_px, height_px, found.window.left, found.window.top)

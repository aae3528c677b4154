"""Other pictures of a page than the standard one: larger, or in two halves. Pure functions.

A model that fails on a picture sometimes reads another one of the same page. Each picture is as large as the model
takes, at most: a page that fills the bound can only be shown larger without its margins, or in halves.
"""

from __future__ import annotations

import math

from pagemill.domain.pages.model import Picture
from pagemill.domain.pages.sizes import SMALLEST_EDGE_PX, Contents, Sheet, Sizes, region_of, window_of
from pagemill.domain.pages.tiling import Box, Grid, Layout, shared_lines


def pictured(standard: Layout, sheet: Sheet, contents: Contents, sizes: Sizes, picture: Picture) -> Layout:
    """The layout of another picture of a page.

    A page that is cut into pieces is shown as large as its letters ask for: its layout stays what it is.

    Args:
        standard: The layout of the standard picture.
        sheet: The page, turned as the picture is.
        contents: What is known about its contents.
        sizes: The bounds.
        picture: Which picture; how it is turned is not asked.
    """
    if standard.pieces > 1 or (picture.magnification == 1 and not picture.halves):
        return standard
    # Only a picture that is larger needs the room that the margins take.
    region = region_of(sheet, contents.extent if picture.magnification > 1 or not standard.is_whole_page else None)
    longest = max(region.width, region.height / 2) if picture.halves else max(region.width, region.height)
    scale = min(standard.scale * picture.magnification, sizes.longest_edge_px / longest * (1 - 1e-12))
    scale = max(scale, min(standard.scale, SMALLEST_EDGE_PX / region.shortest))
    em_px = standard.em_px * scale / standard.scale
    if picture.halves:
        return _halves(sheet, region, scale, em_px, sizes)
    return _layout(sheet, region, scale, em_px, halves=False)


def _halves(sheet: Sheet, region: Box, scale: float, em_px: float, sizes: Sizes) -> Layout:
    """Two halves, which with their overlap are a little higher than half the page."""
    found = _layout(sheet, region, scale, em_px, halves=True)
    if found.grid.piece_height <= sizes.longest_edge_px:
        return found
    less = (sizes.longest_edge_px - 1) / found.grid.piece_height  # a pixel less: heights are rounded up
    return _layout(sheet, region, scale * less, em_px * less, halves=True)


def _layout(sheet: Sheet, region: Box, scale: float, em_px: float, *, halves: bool) -> Layout:
    window = window_of(sheet, region, scale)
    rows: tuple[int, ...] = (0,)
    height = window.height
    if halves and window.height > 1:
        # Rounded down: with one pixel more, a half that fills the bound would exceed it.
        height = min(math.floor((window.height + shared_lines(em_px)) / 2), window.height - 1)
        height = max(height, math.ceil(window.height / 2))
        rows = (0, window.height - height)
    grid = Grid(columns=(0,), rows=rows, piece_width=window.width, piece_height=height)
    return Layout(scale, sheet.dpi(scale), window, region == sheet.whole(), grid, em_px)

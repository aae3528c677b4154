"""How large a page is rendered: one picture where its text is legible on one, else overlapping pieces. Pure functions.

Units are the page's own: 1/72 inch times its UserUnit. A scale is in pixels per unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pagemill.domain.pages.tiling import Box, Layout, Window, grid, pieces_needed
from pagemill.errors import PageUnreadable

MOST_PIECES = 64  # that the setting allows: all pieces of a page are in a render worker's memory at once

_UNITS_PER_INCH = 72
SMALLEST_EDGE_PX = 28  # one token of the model covers 28 x 28 px

# Lettering, measured as the font's size (em). RapidOCR reads 99 % of the words at 13 px; at 8 px the lower-case letters
# of most fonts are 4 px high.
_LEGIBLE_EM_PX = 8.0
_WANTED_EM_PX = 14.0
_SMALL_SHARE = 0.1  # on a page of low resolution, this share of the text may be smaller than the lettering
_USUAL_SHARE = 0.5  # on a page of usual resolution: fine print alone does not divide an A4 page

# Resolutions, where the lettering is not known. A4 at 1540 pixels has 132 dpi, A3 93, A2 66, A1 46, A0 33.
_USUAL_DPI = 80.0
_WANTED_DPI = 132.0
_LEAST_DPI_OF_DRAWINGS = 50.0
_LEAST_DPI_OF_SCANNERS = 100.0  # an image below this says nothing about the paper: 1 pixel is often 1 unit
_LONG = 3.0  # long side : short side; beyond, it is a strip, as receipts and screenshots of whole web pages are
_STRIP_PX = 1089  # the width of A4 at 1540 pixels

_FEWEST_EMS = 30.0  # less text than this is a stamp, a label or a page number
_UNKNOWN_EM_PX = 18.0  # 10 points at 132 dpi
_MARGIN = 0.02  # around the contents, of their longest side
_LARGEST_PAGE_PX = 2.0**30  # PDFium counts pixels in 32 bits, also those outside of the picture
_STEPS = 40  # scales that are tried between the wanted and the least


@dataclass(frozen=True, slots=True)
class Lettering:
    """A run of text of one size."""

    size: float  # of the font, in units
    ems: float  # length, in widths of an em
    place: Box | None = None  # on the page; None: not asked for


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known about a page's contents before it is rendered."""

    lettering: Sequence[Lettering] = ()  # all of it, or a sample
    scan_scale: float = 0.0  # pixels a unit of the images, if they cover most of the page; else 0
    extent: Box | None = None  # nothing is drawn outside; None: not known

    def has_text_in(self, core: Box) -> bool:
        """Whether more text than a label is known to stand within a rectangle."""
        inside = (run.ems for run in self.lettering if run.place and core.holds_middle_of(run.place))
        return sum(inside) >= _FEWEST_EMS


@dataclass(frozen=True, slots=True)
class Sizes:
    """The bounds of a picture, and how many pictures a page may become."""

    longest_edge_px: int = 1540
    max_dpi: int = 300
    max_pieces: int = 32


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page as it is displayed."""

    width: float  # in units
    height: float
    user_unit: float = 1.0

    @property
    def longest(self) -> float:
        """The longest side."""
        return max(self.width, self.height)

    @property
    def shortest(self) -> float:
        """The shortest side."""
        return min(self.width, self.height)

    def dpi(self, scale: float) -> float:
        """The resolution of a scale, on paper."""
        return scale * _UNITS_PER_INCH / self.user_unit

    def scale(self, dpi: float) -> float:
        """The scale of a resolution."""
        return dpi * self.user_unit / _UNITS_PER_INCH

    def whole(self) -> Box:
        """All of it."""
        return Box(0, 0, self.width, self.height)


def single_scale(sheet: Sheet, contents: Contents, sizes: Sizes) -> float:
    """Pixels a unit, so that the longest side is exactly `longest_edge_px`.

    Small pages are not enlarged beyond `max_dpi`, unless they are scans that have more pixels, or their text is tiny.

    Raises:
        PageUnreadable: The page has no area.
    """
    if not (math.isfinite(sheet.longest) and sheet.shortest > 0):
        raise PageUnreadable(f"the page has no area: {sheet.width:g} x {sheet.height:g} points")
    # A hair less: rounding up 1540.0000000000002 would make it 1541 pixels.
    return min(sizes.longest_edge_px / sheet.longest * (1 - 1e-12), _largest_scale(sheet, contents, sizes))


def is_usual(sheet: Sheet, sizes: Sizes) -> bool:
    """Whether a page of this size is usually legible as one picture, as A4 and A3 are, and fills it."""
    scale = single_scale(sheet, Contents(), sizes)
    return (
        sheet.dpi(scale) >= _USUAL_DPI
        and scale < _largest_scale(sheet, Contents(), sizes)
        and sheet.shortest * scale >= SMALLEST_EDGE_PX
    )


def is_one_picture(sheet: Sheet, contents: Contents, sizes: Sizes) -> bool:
    """Whether a page is legible as one picture of all of it."""
    return _need(sheet, contents, sizes).is_met(single_scale(sheet, contents, sizes), sheet)


def layout(sheet: Sheet, contents: Contents, sizes: Sizes) -> Layout:
    """Decide how a page is rendered.

    Args:
        sheet: The page.
        contents: What is known about its contents.
        sizes: The bounds.

    Raises:
        PageUnreadable: The page has no area, or needs more pieces than allowed.
    """
    scale = single_scale(sheet, contents, sizes)
    if is_one_picture(sheet, contents, sizes):
        return _single(sheet, sheet.whole(), scale)

    # Less to show, more pixels for it: what has contents is judged as a page of its own.
    region = region_of(sheet, contents.extent)
    part = Sheet(region.width, region.height, sheet.user_unit)
    most = _LARGEST_PAGE_PX / sheet.longest
    scale, need = min(single_scale(part, contents, sizes), most), _need(part, contents, sizes)
    if need.is_met(scale, part):
        return _single(sheet, region, scale)

    largest, narrow = min(_largest_scale(sheet, contents, sizes), most), SMALLEST_EDGE_PX / part.shortest
    if largest < narrow:
        raise PageUnreadable(
            f"the page is too narrow to read: {sheet.width:g} x {sheet.height:g} points become "
            f"{math.ceil(part.width * largest)} x {math.ceil(part.height * largest)} pixels"
        )
    least, wanted = (min(max(scale, narrow), largest) for scale in (need.least, need.wanted))
    return _divided(sheet, region, _Need(least, wanted, need.size), sizes)


@dataclass(frozen=True, slots=True)
class _Need:
    """The scales at which a page is legible, and comfortable to read."""

    least: float
    wanted: float
    size: float | None = None  # of the lettering

    def is_met(self, scale: float, sheet: Sheet) -> bool:
        return scale >= self.least * (1 - 1e-9) and sheet.shortest * scale >= SMALLEST_EDGE_PX


def _need(sheet: Sheet, contents: Contents, sizes: Sizes) -> _Need:
    usual = sheet.dpi(single_scale(sheet, contents, sizes)) >= _USUAL_DPI
    size = common_size(contents.lettering, _USUAL_SHARE if usual else _SMALL_SHARE)
    if size:
        return _Need(_LEGIBLE_EM_PX / size, _WANTED_EM_PX / size, size)
    wanted = sheet.scale(_WANTED_DPI)
    if not contents.scan_scale:
        return _Need(sheet.scale(_LEAST_DPI_OF_DRAWINGS), wanted)
    if sheet.dpi(contents.scan_scale) >= _LEAST_DPI_OF_SCANNERS:
        return _Need(sheet.scale(_USUAL_DPI), min(contents.scan_scale, wanted))
    if sheet.longest <= _LONG * sheet.shortest:
        return _Need(0.0, 0.0)
    wanted = min(contents.scan_scale, _STRIP_PX / sheet.shortest)
    return _Need(wanted / 2, wanted)


def common_size(lettering: Sequence[Lettering], share: float) -> float | None:
    """The size that at most `share` of the text is smaller than; None if there is hardly any text."""
    total = sum(run.ems for run in lettering)
    if total < _FEWEST_EMS:
        return None
    smaller = 0.0
    for run in sorted(lettering, key=lambda run: run.size):
        smaller += run.ems
        if smaller > share * total:
            return run.size
    return None


def _largest_scale(sheet: Sheet, contents: Contents, sizes: Sizes) -> float:
    size = common_size(contents.lettering, _SMALL_SHARE)
    of_lettering = _WANTED_EM_PX / size if size else 0.0
    return max(sheet.scale(sizes.max_dpi), contents.scan_scale, of_lettering)


def region_of(sheet: Sheet, extent: Box | None) -> Box:
    """The part of the page that has contents, with a margin."""
    if extent is None:
        return sheet.whole()
    margin = _MARGIN * max(extent.width, extent.height)
    region = Box(
        max(extent.left - margin, 0),
        max(extent.top - margin, 0),
        min(extent.right + margin, sheet.width),
        min(extent.bottom + margin, sheet.height),
    )
    return region if region.width > 0 and region.height > 0 else sheet.whole()


def _single(sheet: Sheet, region: Box, scale: float) -> Layout:
    window = window_of(sheet, region, scale)
    one = grid(window, max(window.width, window.height), 0)
    return Layout(scale, sheet.dpi(scale), window, region == sheet.whole(), one, _UNKNOWN_EM_PX)


def window_of(sheet: Sheet, region: Box, scale: float) -> Window:
    """A region of a page in pixels, at a scale."""
    if region == sheet.whole():
        return Window(0, 0, math.ceil(sheet.width * scale), math.ceil(sheet.height * scale))
    left, top = math.floor(region.left * scale), math.floor(region.top * scale)
    # Rounded to nearest, so that the longest side is not a pixel longer than it may be.
    return Window(left, top, max(round(region.width * scale), 1), max(round(region.height * scale), 1))


def _divided(sheet: Sheet, region: Box, need: _Need, sizes: Sizes) -> Layout:
    """Divide a region at the largest scale up to the wanted one that needs no more pieces than allowed."""
    fewest = 0
    for step in range(_STEPS + 1):
        scale = need.wanted * (need.least / need.wanted) ** (step / _STEPS)
        window = window_of(sheet, region, scale)
        em_px = need.size * scale if need.size else _UNKNOWN_EM_PX
        fewest = pieces_needed(window, sizes.longest_edge_px, em_px)
        if fewest <= sizes.max_pieces:
            found = grid(window, sizes.longest_edge_px, em_px)
            return Layout(scale, sheet.dpi(scale), window, region == sheet.whole(), found, em_px)
    at_most = sheet.dpi(need.least) * math.sqrt(sizes.max_pieces / fewest)
    fix = f"set PAGEMILL_MAX_PIECES={fewest} or more" if fewest <= MOST_PIECES else "cut it into smaller pages"
    raise PageUnreadable(
        f"too small to read: the page of {sheet.width:g} x {sheet.height:g} points needs {fewest} pieces at "
        f"{sheet.dpi(need.least):.0f} dpi, and {sizes.max_pieces} pieces have about {at_most:.0f} dpi; {fix}"
    )

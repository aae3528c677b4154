"""How large a page is rendered: one picture where its text is legible on one, else overlapping pieces. Pure functions.

Units are the page's own: 1/72 inch times its UserUnit. A scale is in pixels per unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pagemill.errors import PageUnreadable

MOST_PIECES = 64  # that the setting allows: all pieces of a page are in a render worker's memory at once

_UNITS_PER_INCH = 72
_SMALLEST_EDGE_PX = 28  # one token of the model covers 28 x 28 px

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

_FEWEST_EMS = 30.0  # less text than this is a stamp or a page number
_UNKNOWN_EM_PX = 18.0  # 10 points at 132 dpi
_OVERLAP_LINES = 4.0  # heights of lettering that two pieces share, one above the other
_OVERLAP_EMS = 10.0  # widths that two pieces share, side by side: most words fit in
_LARGEST_OVERLAP = 0.25  # of a piece
_MARGIN = 0.02  # around the contents, of their longest side
_LARGEST_PAGE_PX = 2.0**30  # PDFium counts pixels in 32 bits, also those outside of the picture
_STEPS = 40  # scales that are tried between the wanted and the least


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the page as it is displayed, in units from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    def meets(self, other: Box) -> bool:
        """Whether the two have an area in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds_middle_of(self, other: Box) -> bool:
        """Whether the middle of another rectangle is within this one."""
        x, y = (other.left + other.right) / 2, (other.top + other.bottom) / 2
        return self.left <= x <= self.right and self.top <= y <= self.bottom


@dataclass(frozen=True, slots=True)
class Lettering:
    """A run of text of one size."""

    size: float  # of the font, in units
    ems: float  # length, in widths of an em


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known about a page's contents before it is rendered."""

    lettering: Sequence[Lettering] = ()
    scan_scale: float = 0.0  # pixels a unit of the images, if they cover most of the page; else 0
    extent: Box | None = None  # nothing is drawn outside; None: not known
    text_boxes: Sequence[Box] | None = None  # where text stands; None: not known


@dataclass(frozen=True, slots=True)
class Sizes:
    """The bounds of a picture, and how many pictures a page may become."""

    longest_edge_px: int = 1540
    max_dpi: int = 300
    max_pieces: int = 32


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels within the whole page at a layout's scale."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How a page is rendered."""

    scale: float
    dpi: float
    window: Window  # the part of the page that is rendered
    is_whole_page: bool  # whether that is all of it
    columns: tuple[int, ...] = (0,)  # left edges of the pieces, within the window
    rows: tuple[int, ...] = (0,)  # upper edges
    piece_width: int = 0
    piece_height: int = 0
    em_px: float = field(default=_UNKNOWN_EM_PX)  # height of the lettering

    @property
    def pieces(self) -> int:
        """The number of pieces; 1: the page is one picture."""
        return len(self.columns) * len(self.rows)


def single_scale(width: float, height: float, user_unit: float, contents: Contents, sizes: Sizes) -> float:
    """Pixels a unit, so that the longest side is exactly `longest_edge_px`.

    Small pages are not enlarged beyond `max_dpi`, unless they are scans that have more pixels, or their text is tiny.

    Raises:
        PageUnreadable: The page has no area.
    """
    longest, shortest = max(width, height), min(width, height)
    if not (math.isfinite(longest) and shortest > 0):
        raise PageUnreadable(f"the page has no area: {width:g} x {height:g} points")
    # A hair less: rounding up 1540.0000000000002 would make it 1541 pixels.
    return min(sizes.longest_edge_px / longest * (1 - 1e-12), _largest_scale(user_unit, contents, sizes))


def dpi(scale: float, user_unit: float) -> float:
    """The resolution of a scale, on paper."""
    return scale * _UNITS_PER_INCH / user_unit


def is_usual(width: float, height: float, user_unit: float, sizes: Sizes) -> bool:
    """Whether a page of this size is usually legible as one picture, as A4 and A3 are, and fills it."""
    scale = single_scale(width, height, user_unit, Contents(), sizes)
    return (
        dpi(scale, user_unit) >= _USUAL_DPI
        and scale < _largest_scale(user_unit, Contents(), sizes)
        and min(width, height) * scale >= _SMALLEST_EDGE_PX
    )


def is_one_picture(width: float, height: float, user_unit: float, contents: Contents, sizes: Sizes) -> bool:
    """Whether a page is legible as one picture of all of it."""
    scale = single_scale(width, height, user_unit, contents, sizes)
    return _need(width, height, user_unit, contents, sizes).is_met(scale, min(width, height))


def layout(width: float, height: float, user_unit: float, contents: Contents, sizes: Sizes) -> Layout:
    """Decide how a page is rendered.

    Args:
        width: Of the page as it is displayed, in units.
        height: As above.
        user_unit: Of the page; 1 unless it says otherwise.
        contents: What is known about its contents.
        sizes: The bounds.

    Raises:
        PageUnreadable: The page has no area, or needs more pieces than allowed.
    """
    scale = single_scale(width, height, user_unit, contents, sizes)
    if is_one_picture(width, height, user_unit, contents, sizes):
        return _single(Box(0, 0, width, height), width, height, scale, user_unit)

    region = _region(width, height, contents.extent)
    scale = single_scale(region.width, region.height, user_unit, contents, sizes)
    scale = min(scale, _LARGEST_PAGE_PX / max(width, height))
    # Less to show, more pixels for it: judged as a page of its own.
    need = _need(region.width, region.height, user_unit, contents, sizes)
    if need.is_met(scale, min(region.width, region.height)):
        return _single(region, width, height, scale, user_unit)

    largest = min(_largest_scale(user_unit, contents, sizes), _LARGEST_PAGE_PX / max(width, height))
    narrow = _SMALLEST_EDGE_PX / min(region.width, region.height)
    least, wanted = (min(max(scale, narrow), largest) for scale in (need.least, need.wanted))
    if largest < narrow:
        raise PageUnreadable(
            f"the page is too narrow to read: {width:g} x {height:g} points become "
            f"{math.ceil(region.width * largest)} x {math.ceil(region.height * largest)} pixels"
        )
    return _divided(region, (width, height), user_unit, least, wanted, need.size, sizes)


@dataclass(frozen=True, slots=True)
class _Need:
    """The scales at which a page is legible, and comfortable to read."""

    least: float
    wanted: float
    size: float | None = None  # of the lettering

    def is_met(self, scale: float, shortest: float) -> bool:
        return scale >= self.least * (1 - 1e-9) and shortest * scale >= _SMALLEST_EDGE_PX


def _need(width: float, height: float, user_unit: float, contents: Contents, sizes: Sizes) -> _Need:
    usual = dpi(single_scale(width, height, user_unit, contents, sizes), user_unit) >= _USUAL_DPI
    size = common_size(contents.lettering, _USUAL_SHARE if usual else _SMALL_SHARE)
    if size:
        return _Need(_LEGIBLE_EM_PX / size, _WANTED_EM_PX / size, size)
    of_dpi = user_unit / _UNITS_PER_INCH
    if not contents.scan_scale:
        return _Need(_LEAST_DPI_OF_DRAWINGS * of_dpi, _WANTED_DPI * of_dpi)
    if dpi(contents.scan_scale, user_unit) >= _LEAST_DPI_OF_SCANNERS:
        return _Need(_USUAL_DPI * of_dpi, min(contents.scan_scale, _WANTED_DPI * of_dpi))
    shortest, longest = min(width, height), max(width, height)
    if longest <= _LONG * shortest:
        return _Need(0.0, 0.0)
    wanted = min(contents.scan_scale, _STRIP_PX / shortest)
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


def _largest_scale(user_unit: float, contents: Contents, sizes: Sizes) -> float:
    size = common_size(contents.lettering, _SMALL_SHARE)
    of_lettering = _WANTED_EM_PX / size if size else 0.0
    return max(sizes.max_dpi / _UNITS_PER_INCH * user_unit, contents.scan_scale, of_lettering)


def _region(width: float, height: float, extent: Box | None) -> Box:
    """The part of the page that has contents, with a margin."""
    if extent is None:
        return Box(0, 0, width, height)
    margin = _MARGIN * max(extent.width, extent.height)
    region = Box(
        max(extent.left - margin, 0),
        max(extent.top - margin, 0),
        min(extent.right + margin, width),
        min(extent.bottom + margin, height),
    )
    return region if region.width > 0 and region.height > 0 else Box(0, 0, width, height)


def _single(region: Box, width: float, height: float, scale: float, user_unit: float) -> Layout:
    window = _window(region, width, height, scale)
    whole = region == Box(0, 0, width, height)
    return Layout(scale, dpi(scale, user_unit), window, whole, piece_width=window.width, piece_height=window.height)


def _window(region: Box, width: float, height: float, scale: float) -> Window:
    if region == Box(0, 0, width, height):
        return Window(0, 0, math.ceil(width * scale), math.ceil(height * scale))
    left, top = math.floor(region.left * scale), math.floor(region.top * scale)
    # Rounded to nearest, so that the longest side is not a pixel longer than it may be.
    return Window(left, top, max(round(region.width * scale), 1), max(round(region.height * scale), 1))


def _divided(
    region: Box,
    page: tuple[float, float],
    user_unit: float,
    least: float,
    wanted: float,
    size: float | None,
    sizes: Sizes,
) -> Layout:
    """Divide a region at the largest scale up to the wanted one that needs no more pieces than allowed."""
    fewest = 0
    for step in range(_STEPS + 1):
        scale = wanted * (least / wanted) ** (step / _STEPS)
        window = _window(region, *page, scale)
        em_px = size * scale if size else _UNKNOWN_EM_PX
        columns, piece_width = _starts(window.width, sizes.longest_edge_px, _OVERLAP_EMS * em_px)
        rows, piece_height = _starts(window.height, sizes.longest_edge_px, _OVERLAP_LINES * em_px)
        whole = region == Box(0, 0, *page)
        found = Layout(scale, dpi(scale, user_unit), window, whole, piece_width=piece_width, piece_height=piece_height)
        fewest = columns * rows
        if fewest <= sizes.max_pieces:
            return replace(
                found,
                columns=_spread(columns, window.width - piece_width),
                rows=_spread(rows, window.height - piece_height),
                em_px=em_px,
            )
    at_most = dpi(math.sqrt(sizes.max_pieces / fewest) * least, user_unit)
    fix = f"set PAGEMILL_MAX_PIECES={fewest} or more" if fewest <= MOST_PIECES else "cut it into smaller pages"
    raise PageUnreadable(
        f"too small to read: the page of {page[0]:g} x {page[1]:g} points needs {fewest} pieces at "
        f"{dpi(least, user_unit):.0f} dpi, and {sizes.max_pieces} pieces have about {at_most:.0f} dpi; "
        f"{fix}"
    )


def _starts(length: int, edge: int, overlap: float) -> tuple[int, int]:
    """How many pieces cover a length, and how long each is."""
    if length <= edge:
        return 1, length
    shared = min(math.ceil(overlap), math.floor(_LARGEST_OVERLAP * edge))
    return math.ceil((length - shared) / (edge - shared)), edge


def _spread(count: int, last: int) -> tuple[int, ...]:
    """The edges of pieces, at equal distances from 0 to `last`."""
    return tuple(round(index * last / (count - 1)) for index in range(count)) if count > 1 else (0,)


def piece_cores(found: Layout) -> tuple[Box, ...]:
    """What no other piece shows of each piece, in units of the page, row by row."""
    left, top, scale = found.window.left, found.window.top, found.scale
    across, down = _cores(found.columns, found.piece_width), _cores(found.rows, found.piece_height)
    return tuple(
        Box((left + x0) / scale, (top + y0) / scale, (left + x1) / scale, (top + y1) / scale)
        for y0, y1 in down
        for x0, x1 in across
    )


def _cores(starts: Sequence[int], length: int) -> list[tuple[int, int]]:
    shared = overlaps(starts, length)
    return [
        (start + before, start + length - after)
        for start, before, after in zip(starts, shared, (*shared[1:], 0), strict=True)
    ]


def overlaps(starts: Sequence[int], length: int) -> tuple[int, ...]:
    """The pixels that each piece shares with the one before it; 0 for the first."""
    return (0, *(before + length - start for before, start in pairwise(starts)))

"""Where the pieces of a large page lie: rows and columns that overlap. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_OVERLAP_LINES = 4.0  # heights of lettering that two pieces share, one above the other
_OVERLAP_EMS = 18.0  # widths that two pieces share, side by side: a label or the gutter between two columns fits in
_LARGEST_OVERLAP = 0.25  # of a piece


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

    @property
    def shortest(self) -> float:
        """The shortest side."""
        return min(self.width, self.height)

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
class Window:
    """A rectangle of pixels within the whole page at a layout's scale."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The places of the pieces within a window, in pixels. All pieces are of one size."""

    columns: tuple[int, ...]  # left edges
    rows: tuple[int, ...]  # upper edges
    piece_width: int
    piece_height: int

    @property
    def pieces(self) -> int:
        """How many there are."""
        return len(self.columns) * len(self.rows)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a page is rendered."""

    scale: float
    dpi: float
    window: Window  # the part of the page that is rendered
    is_whole_page: bool  # whether that is all of it
    grid: Grid
    em_px: float  # height of the lettering

    @property
    def pieces(self) -> int:
        """The number of pieces; 1: the page is one picture."""
        return self.grid.pieces

    def cores(self) -> tuple[Box, ...]:
        """What no other piece shows of each piece, in units of the page, row by row."""
        left, top, grid = self.window.left, self.window.top, self.grid
        return tuple(
            Box((left + x0) / self.scale, (top + y0) / self.scale, (left + x1) / self.scale, (top + y1) / self.scale)
            for y0, y1 in _cores(grid.rows, grid.piece_height)
            for x0, x1 in _cores(grid.columns, grid.piece_width)
        )


def pieces_needed(window: Window, edge: int, em_px: float) -> int:
    """How many pieces `grid` has."""
    return _count(window.width, edge, _OVERLAP_EMS * em_px) * _count(window.height, edge, _OVERLAP_LINES * em_px)


def shared_lines(em_px: float) -> int:
    """The pixels that two pieces share, one above the other, with lettering of this height."""
    return math.ceil(_OVERLAP_LINES * em_px)


def grid(window: Window, edge: int, em_px: float) -> Grid:
    """Cover a window with as few pieces as there can be, which overlap by some lines and words.

    Args:
        window: What to cover.
        edge: The longest edge of a piece, in pixels.
        em_px: The height of the lettering.
    """
    return Grid(
        columns=_places(window.width, edge, _OVERLAP_EMS * em_px),
        rows=_places(window.height, edge, _OVERLAP_LINES * em_px),
        piece_width=min(window.width, edge),
        piece_height=min(window.height, edge),
    )


def _count(length: int, edge: int, overlap: float) -> int:
    if length <= edge:
        return 1
    shared = min(math.ceil(overlap), math.floor(_LARGEST_OVERLAP * edge))
    return math.ceil((length - shared) / (edge - shared))


def _places(length: int, edge: int, overlap: float) -> tuple[int, ...]:
    """The edges of the pieces that cover a length, at equal distances."""
    count = _count(length, edge, overlap)
    return tuple(round(index * (length - edge) / (count - 1)) for index in range(count)) if count > 1 else (0,)


def _cores(places: Sequence[int], length: int) -> list[tuple[int, int]]:
    shared = overlaps(places, length)
    return [
        (place + before, place + length - after)
        for place, before, after in zip(places, shared, (*shared[1:], 0), strict=True)
    ]


def overlaps(places: Sequence[int], length: int) -> tuple[int, ...]:
    """The pixels that each piece shares with the one before it; 0 for the first."""
    return (0, *(before + length - place for before, place in pairwise(places)))

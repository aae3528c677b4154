"""What is on a page image beside paper: marks that may be writing, and those that scanners and paper leave.

A detector of text does not see everything that a person wrote: it misses page numbers, check marks and pencil. So a
page is empty only if each mark on it is known to be none of these. All sizes are in pixels of a page of 1,540.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
_Levels = NDArray[np.float32]

BORDERS = "borders"  # dirt

_PAGE_PX = 1540.0  # the longest side that sizes are given for
_PAPER_PX = 8  # the paper's brightness is looked at in squares of this size,
_PAPER_SQUARES = 21  # so many across: what is darker than all paper within it is a mark
_NOISE_FACTOR = 5.0  # a mark is darker or lighter than paper by so many times the noise
_MOST_NOISE = 5.0  # of 255: scanners have less than 2; this is writing everywhere, or a picture
_LEAST_LEVELS = 3.5  # of 255: JPEG makes the squares of even paper differ by 2 or 3
_NOISE_PX, _NOISE_PERCENT, _NOISE_SIGMAS = 64, 99, 2.58  # noise is looked at in squares; the quiet ones count
_GAP = np.ones((5, 5), np.uint8)  # letters of a word are no further apart
_MOST_MARKS = 4000  # a page with more of them is not empty, whatever they are

_SPECK_PX = 6.5  # dust, measured where it is half as dark as at its darkest; the digits of 6 points are 8 high
_EDGE_SHARE, _EDGE_LENGTH = 0.08, 0.2  # a shadow of the lid: how far it reaches in, how much of a side it takes
_EDGE_STRAIGHT_PX = 6.0  # how far its inner edge is from a straight line; a page number that touches it is higher
_EDGE_TAIL_PX = 15.0  # how far the paper beside it is a little darker, too
_HOLE_PX, _HOLE_FILLED, _HOLE_FROM_EDGE = (22.0, 52.0), (0.7, 0.86), 0.12  # 4 to 10 mm
_CREASE_LENGTH, _CREASE_DEPTH, _CREASE_SHARPNESS = 0.9, 0.04, 0.1
_SHADE_SHARPNESS, _SHADE_LEVELS = 0.08, 22.0  # no pen and no printer has edges so soft

# Text of the other side has passed through the paper: its edges are softer than those of ink on this side. Measured:
# 0.10 to 0.16, against 0.22 to 0.45 for pencil, pens and print; noise adds to both. Only many marks all over a page are
# taken for it, and only if they are paler than the palest pencil that was tried.
_THROUGH_SHARPNESS, _THROUGH_NOISE = 0.17, 0.9
_THROUGH_LEVELS, _THROUGH_MARKS, _THROUGH_SHARE = 14.0, 40, 0.3


@dataclass(frozen=True, slots=True)
class Marks:
    """What was found."""

    strokes: int  # marks that may be writing or drawing
    dirt: tuple[str, ...] = ()  # what else there is, in words


@dataclass(frozen=True, slots=True)
class _Mark:
    """One mark: connected pixels that are not paper."""

    left: int
    top: int
    pixels: NDArray[np.bool_]
    dark: NDArray[np.bool_]  # at least a quarter as dark as at its darkest
    levels: float  # darker or lighter than paper, at most
    sharpness: float
    core_px: float  # longest side of what is at least half as dark

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


def marks_of(page: Grey) -> Marks:
    """Look at each mark on a page image."""
    unit = max(page.shape) / _PAGE_PX
    difference = _without_paper(page)
    smooth = _blurred(difference, 1.0)
    noise = _noise(smooth)
    if noise > _MOST_NOISE:
        return Marks(_MOST_MARKS)
    mask = (np.abs(smooth) > max(_NOISE_FACTOR * noise, _LEAST_LEVELS)).astype(np.uint8)
    closed = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _GAP), np.uint8)
    found = _marks(closed, difference, smooth)
    if found is None:
        return Marks(_MOST_MARKS)
    dirt: set[str] = set()
    pale: list[_Mark] = []
    strokes = 0
    for mark in found:
        what = _dirt(mark, page.shape, unit)
        if what:
            dirt.add(what)
        elif _is_from_the_other_side(mark, noise):
            pale.append(mark)
        else:
            strokes += 1
    if pale and not _is_all_over(pale, page.shape[0]):
        strokes += len(pale)
    elif pale:
        dirt.add("show-through")
    return Marks(strokes, tuple(sorted(dirt)))


def edge_of(shape: tuple[int, ...]) -> int:
    """How far from the edges of a page shadows of a scanner reach at most, in pixels."""
    return round(_EDGE_SHARE * min(shape[:2]))


def _without_paper(page: Grey) -> _Levels:
    """How much darker than the paper around it each pixel is."""
    height, width = page.shape
    size = (max(width // _PAPER_PX, 1), max(height // _PAPER_PX, 1))
    squares = cv2.resize(page.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    paper = cv2.morphologyEx(squares, cv2.MORPH_CLOSE, np.ones((_PAPER_SQUARES, _PAPER_SQUARES), np.uint8))
    smooth = cv2.resize(cv2.GaussianBlur(paper, (0, 0), 3), (width, height), interpolation=cv2.INTER_LINEAR)
    difference = np.asarray(smooth, np.float32) - page
    return difference - np.float32(
        np.median(difference[::7, ::5])
    )  # noise makes the brightest paper around brighter than it is


def _blurred(levels: _Levels, sigma: float) -> _Levels:
    return np.asarray(cv2.GaussianBlur(levels, (0, 0), sigma), np.float32)


def _noise(smooth: _Levels) -> float:
    """The standard deviation of the paper. JPEG leaves most of it even, and some of it not: only the tails count."""
    rows, columns = (max(side // _NOISE_PX, 1) for side in smooth.shape)
    squares = [
        np.percentile(np.abs(square), _NOISE_PERCENT)
        for row in np.array_split(smooth, rows)
        for square in np.array_split(row, columns, axis=1)
    ]
    return float(np.percentile(squares, 20)) / _NOISE_SIGMAS


def _marks(mask: Grey, difference: _Levels, smooth: _Levels) -> Iterator[_Mark] | None:
    count, labelled, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    labels, boxes = np.asarray(labelled, np.int32), np.asarray(stats, np.int32)
    if count > _MOST_MARKS:
        return None
    levels = np.abs(smooth)
    fine = np.abs(smooth - _blurred(difference, 2.0))
    return (_mark(number, labels, boxes[number], levels, fine) for number in range(1, count))


def _mark(number: int, labels: NDArray[np.int32], box: NDArray[np.int32], levels: _Levels, fine: _Levels) -> _Mark:
    left, top, width, height = (int(value) for value in box[:4])
    place = slice(top, top + height), slice(left, left + width)
    pixels = labels[place] == number
    inside = np.where(pixels, levels[place], 0)
    most = float(inside.max())
    core = inside >= most / 2
    sides = [np.flatnonzero(core.any(axis=axis)) for axis in (0, 1)]
    core_px = float(max(side[-1] - side[0] + 1 for side in sides))
    sharpness = float(fine[place][pixels].sum() / inside.sum())
    return _Mark(left, top, pixels, inside >= most / 4, most, sharpness, core_px)


def _dirt(mark: _Mark, shape: tuple[int, ...], unit: float) -> str:
    """What a mark is, if it is known to be no writing; else empty."""
    height, width = shape[:2]
    if mark.core_px < _SPECK_PX * unit:
        return "dust"
    if mark.sharpness < _SHADE_SHARPNESS and mark.levels < _SHADE_LEVELS:
        return "shades of the paper"
    if _is_at_the_edge(mark, height, width, unit):
        return BORDERS
    if _is_a_hole(mark, height, width, unit):
        return "hole punches"
    long, deep = max(mark.width / width, mark.height / height), min(mark.width / width, mark.height / height)
    if long >= _CREASE_LENGTH and deep <= _CREASE_DEPTH and mark.sharpness < _CREASE_SHARPNESS:
        return "folds"
    return ""


def _is_at_the_edge(mark: _Mark, height: int, width: int, unit: float) -> bool:
    """Whether a mark lies along the edges of the page, no further in than shadows do, and ends in straight lines."""
    deep = edge_of((height, width))
    rows = slice(max(deep - mark.top, 0), max(height - deep - mark.top, 0))
    columns = slice(max(deep - mark.left, 0), max(width - deep - mark.left, 0))
    if mark.dark[rows, columns].any() or _sticks_out(mark, unit):
        return False
    bottom, right = height - mark.top - mark.height, width - mark.left - mark.width
    # Each side with the pixels as seen from there: columns away from the edge, rows along it.
    sides = (
        (mark.left, mark.dark, rows, height),
        (right, mark.dark[:, ::-1], rows, height),
        (mark.top, mark.dark.T, columns, width),
        (bottom, mark.dark.T[:, ::-1], columns, width),
    )
    at_edges = [
        _is_straight(pixels[along, :deep], unit)
        for distance, pixels, along, length in sides
        if distance <= 1 and pixels[:, :2].any(axis=1).sum() >= _EDGE_LENGTH * length
    ]
    return bool(at_edges) and all(at_edges)


def _sticks_out(mark: _Mark, unit: float) -> bool:
    """Whether a paler part of a mark goes on where its dark part has ended: pencil beside a shadow."""
    near = round(_EDGE_TAIL_PX * unit)
    around = cv2.dilate(mark.dark.astype(np.uint8), np.ones((2 * near + 1, 2 * near + 1), np.uint8))
    return bool((mark.pixels & (around == 0)).any())


def _is_straight(pixels: NDArray[np.bool_], unit: float) -> bool:
    """Whether what begins at the left ends at a straight line. Pixels are rows that begin at an edge of the page."""
    reach = pixels.shape[1] - np.argmax(pixels[:, ::-1], axis=1)
    places = np.flatnonzero(pixels.any(axis=1))
    if len(places) < 3:  # noqa: PLR2004 -- any two points are on a line
        return True
    reached = reach[places]
    quarter = max(len(places) // 4, 1)  # a line through the medians of both ends: what sticks out does not move it
    (x0, y0), (x1, y1) = (
        (float(np.median(places[part])), float(np.median(reached[part])))
        for part in (slice(None, quarter), slice(-quarter, None))
    )
    line = y0 + (places - x0) * (y1 - y0) / max(x1 - x0, 1.0)
    return bool(np.abs(reached - line).max() <= _EDGE_STRAIGHT_PX * unit)


def _is_a_hole(mark: _Mark, height: int, width: int, unit: float) -> bool:
    """Whether a mark is a filled disc near an edge, as large as a hole punch."""
    size = (mark.width + mark.height) / 2
    if not _HOLE_PX[0] * unit <= size <= _HOLE_PX[1] * unit or abs(mark.width - mark.height) > size * 0.15:
        return False
    x, y = mark.left + mark.width / 2, mark.top + mark.height / 2
    if min(x, y, width - x, height - y) > _HOLE_FROM_EDGE * width:
        return False
    filled = float(mark.pixels.mean())
    middle = mark.pixels[mark.height // 4 : -(mark.height // 4), mark.width // 4 : -(mark.width // 4)]
    return _HOLE_FILLED[0] <= filled <= _HOLE_FILLED[1] and bool(middle.all())


def _is_from_the_other_side(mark: _Mark, noise: float) -> bool:
    softest = _THROUGH_SHARPNESS + _THROUGH_NOISE * noise / mark.levels
    return mark.levels < _THROUGH_LEVELS and mark.sharpness < softest


def _is_all_over(marks: list[_Mark], height: int) -> bool:
    tops = [mark.top for mark in marks]
    return len(marks) >= _THROUGH_MARKS and max(tops) - min(tops) >= _THROUGH_SHARE * height

"""A step of brightness that no camera or scanner makes: the trace of a JPEG whose damage left its data decodable.

A block's brightness is coded as the difference from the block before it. Where one difference is wrong, every block
after it, row by row to the end of the image, is brighter or darker by as much. So the boundary is a step of one height
over the whole width: it begins within a row of blocks, goes on to that row's end, and from the next row's beginning to
the column where it began. Edges of real things end at a side of the image, or are slanted and therefore gradual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_STEP = 10  # of 255
_NEAR = 5  # of 255: noise of a block's brightness
_LEAST_SHARE = 0.8  # of the blocks on the boundary, and beside it, that have to agree with it
_NEARLY = 0.12  # as good a share as the best
_MOST_PLACES = 128  # that are tried
_LARGEST_MISS = 0.25  # of the step: what begins and ends at once is nearly as high
_COMPARED_BLOCKS = 8  # before and after such a place


@dataclass(frozen=True, slots=True)
class _Lens:
    """How levels are compared: the brightest of so many blocks stands for the paper that text is on."""

    rows: int
    columns: int


_LENSES = (_Lens(1, 1), _Lens(4, 7))  # for what is plain up to its border, and for pages of text


@dataclass(frozen=True, slots=True)
class Step:
    """A step of brightness."""

    height: int  # what comes after it is brighter by so much, or darker; of 255
    row: int  # of blocks, from 0: where it begins, a few rows more or less


def find_step(levels: NDArray[np.uint8]) -> Step | None:
    """The first such step; None if there is none.

    Args:
        levels: The brightness of each block, shape (rows, columns).
    """
    steps = (step for lens in _LENSES for step in _steps(levels, lens))
    return next(steps, None)


def _steps(levels: NDArray[np.uint8], lens: _Lens) -> Iterator[Step]:
    rows, width = levels.shape
    if rows <= 2 * lens.rows or width <= 2 * (_COMPARED_BLOCKS + lens.columns):
        return
    paper = _brightest(levels, lens).astype(np.int16)
    differences = paper[lens.rows :] - paper[: -lens.rows]  # of each block from the one above
    for step, near in _candidates(differences, lens):
        if _is_boundary(near.ravel(), step.height, width, lens):
            yield step


def _brightest(levels: NDArray[np.uint8], lens: _Lens) -> NDArray[np.uint8]:
    """The brightest level around each block, from its row on downwards."""
    side = lens.columns // 2
    padded = np.pad(levels, ((0, 0), (side, side)), mode="edge")
    wide = _running_maximum(padded, lens.columns)
    return _running_maximum(np.pad(wide, ((0, lens.rows - 1), (0, 0)), mode="edge").T, lens.rows).T


def _running_maximum(values: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    found = values[:, : values.shape[1] - count + 1].copy()
    for shift in range(1, count):
        np.maximum(found, values[:, shift : shift + found.shape[1]], out=found)
    return found


def _candidates(differences: NDArray[np.int16], lens: _Lens) -> Iterator[tuple[Step, NDArray[np.int16]]]:
    """The places where most of a row differs from the one above, each with the differences around it."""
    medians: NDArray[np.float64] = np.median(differences, axis=1)
    last = -lens.rows
    for row in map(int, np.flatnonzero(np.abs(medians) >= _LEAST_STEP)):
        if row - last >= lens.rows:
            last = row
            near = medians[row : row + lens.rows]
            height = int(np.median(near[np.abs(near) >= _LEAST_STEP]))
            yield Step(height, row + lens.rows), differences[max(row - 2, 0) : row + lens.rows + 3]


def _is_boundary(differences: NDArray[np.int16], height: int, width: int, lens: _Lens) -> bool:
    """Tell whether rows of differences are `height`, those beside them are 0, and it changes at once, within a row."""
    length = lens.rows * width
    if abs(height) < _LEAST_STEP or differences.size < length:
        return False
    near = min(_NEAR, abs(height) // 4)
    stepped, level = (_counts(np.abs(differences - wanted) <= near) for wanted in (height, 0))
    first = np.arange(differences.size - length + 1)
    last = first + length
    before = np.maximum(first - width, 0)
    after = np.minimum(last + width, differences.size)
    on = (stepped[last] - stepped[first]) / length
    beside = (level[first] - level[before] + level[after] - level[last]) / np.maximum(first - before + after - last, 1)
    share = np.minimum(on, beside)
    side = lens.columns + _COMPARED_BLOCKS // 2  # edges of things end there
    within = (first % width >= side) & (first % width < width - side)
    good = np.flatnonzero(within & (share >= _LEAST_SHARE) & (share >= share.max() - _NEARLY))
    return any(
        abs(_jump(differences, begin, lens) - height) <= _LARGEST_MISS * abs(height)
        and abs(_jump(differences, begin + length, lens) + height) <= _LARGEST_MISS * abs(height)
        for begin in good[:: max(len(good) // _MOST_PLACES, 1)]
    )


def _counts(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(flags)))


def _jump(differences: NDArray[np.int16], place: int, lens: _Lens) -> float:
    """How much the differences change at a place; 0 near the ends, where that is not known."""
    gap = lens.columns // 2 + 1
    before = differences[max(place - gap - _COMPARED_BLOCKS, 0) : max(place - gap, 0)]
    after = differences[place + gap : place + gap + _COMPARED_BLOCKS]
    if before.size < _COMPARED_BLOCKS or after.size < _COMPARED_BLOCKS:
        return 0.0
    return float(np.median(after) - np.median(before))

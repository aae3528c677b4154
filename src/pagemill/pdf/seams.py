"""Where to part two pieces of a page that overlap: along a path through white, around words and between lines.

A seam is the path across the overlap that crosses the least ink, as in image quilting (Efros and Freeman, 2001). Ink
on one side of it belongs to one piece, ink on the other side to the other: no word is cut, and none is read twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EDGE = 48  # a step of brightness from one pixel to the next; smaller ones are noise and JPEG artefacts
_RULE_SHARE = 0.9  # of the overlap's width: a line this long has to be crossed anyway
_MOST_RULES = 0.3  # of the seam's length
_INK, _NEAR, _STEP = 1.0, 0.05, 0.001  # cost of a pixel: on ink, in the gap between two words, anywhere
_CROSSED_PX, _CROSSED_SHARE = 8, 0.02  # a path that crosses no more ink than this cuts at most a few thin lines


@dataclass(frozen=True, slots=True)
class Seam:
    """A path across an overlap, from its first row to its last."""

    width: int  # of the overlap
    boundary: NDArray[np.intp]  # for each row: pixels before this column belong to the first piece
    clean: bool  # it cuts no words


def ink(bgrx: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Tell which pixels (uint32 BGRx, shape (h, w)) are at the edge of something."""
    brightness = np.zeros(bgrx.shape, np.int16)
    for shift in (0, 8, 16):
        brightness += ((bgrx >> shift) & 0xFF).astype(np.int16)
    brightness //= 3
    edges = np.zeros(bgrx.shape, np.bool_)
    for axis in (0, 1):
        steps = np.abs(np.diff(brightness, axis=axis)) > _EDGE
        first, second = [slice(None)] * 2, [slice(None)] * 2
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        edges[tuple(first)] |= steps
        edges[tuple(second)] |= steps
    return edges


def upright_seam(edges: NDArray[np.bool_], gap_px: int) -> Seam:
    """Part a left piece from a right one.

    Args:
        edges: The ink of the overlap, shape (h, w).
        gap_px: The width of a gap between two words.
    """
    return _coarse_seam(edges, _widened(edges, gap_px))


def level_seam(edges: NDArray[np.bool_], gap_px: int) -> Seam:
    """Part an upper piece from a lower one. Row i of its boundary belongs to column i of the overlap."""
    return _coarse_seam(edges.T, _widened(edges, gap_px).T)


def _coarse_seam(edges: NDArray[np.bool_], near: NDArray[np.bool_]) -> Seam:
    """Look for the seam at half the resolution: in a quarter of the time."""
    found = _seam(_halved(edges), _halved(near))
    return Seam(edges.shape[1], 2 * np.repeat(found.boundary, 2)[: edges.shape[0]], found.clean)


def _halved(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = pixels.shape
    padded = np.pad(pixels, ((0, height % 2), (0, width % 2)))
    halved: NDArray[np.bool_] = np.logical_or.reduce([padded[down::2, right::2] for down in (0, 1) for right in (0, 1)])
    return halved


def _widened(edges: NDArray[np.bool_], gap_px: int) -> NDArray[np.bool_]:
    """Ink, and what is no further than `gap_px` to the right or left of it."""
    ends = np.pad(edges, ((0, 0), (gap_px + 1, gap_px))).cumsum(axis=1, dtype=np.int32)
    widened: NDArray[np.bool_] = ends[:, 2 * gap_px + 1 :] > ends[:, : -2 * gap_px - 1]
    return widened


def _widest_gap(near: NDArray[np.bool_]) -> int | None:
    """The middle of the widest group of columns without any ink: no search is needed where there is one."""
    clear = np.flatnonzero(~near.any(axis=0))
    if not len(clear):
        return None
    groups = np.split(clear, np.flatnonzero(np.diff(clear) > 1) + 1)
    widest = max(groups, key=len)
    return int(widest[len(widest) // 2])


def _seam(edges: NDArray[np.bool_], near: NDArray[np.bool_]) -> Seam:
    """The cheapest path from the first row to the last. In each row it may move sideways as far as it likes."""
    rules = edges.mean(axis=1) >= _RULE_SHARE
    if rules.mean() > _MOST_RULES:  # a photo, not a table
        rules[:] = False
    crossed, near = edges & ~rules[:, None], near & ~rules[:, None]
    straight = _widest_gap(near)
    if straight is not None:
        return Seam(edges.shape[1], np.full(edges.shape[0], straight, np.intp), clean=True)
    cost = np.where(crossed, _INK, np.where(near, _NEAR, _STEP))
    sums = cost.cumsum(axis=1)  # of a row: moving from a to b > a costs sums[b] - sums[a]
    totals = np.empty_like(cost)
    reached = np.zeros(cost.shape[1])
    for row, (price, total) in enumerate(zip(cost, sums, strict=True)):
        totals[row] = entered = reached + price
        rightward = np.minimum.accumulate(entered - total) + total
        before = total - price  # moving from b to a < b costs before[b] - before[a]
        leftward = np.minimum.accumulate((entered + before)[::-1])[::-1] - before
        reached = np.minimum(rightward, leftward)
    middle = np.abs(np.arange(cost.shape[1]) - cost.shape[1] / 2) * (_STEP / cost.shape[1])
    column = int(np.argmin(reached + middle))
    boundary = np.empty(cost.shape[0], np.intp)
    inked = 0
    for row in range(cost.shape[0] - 1, -1, -1):
        boundary[row] = column
        price, total = cost[row], sums[row]
        sideways = np.where(
            np.arange(len(price)) <= column, total[column] - total, (total - price) - (total[column] - price[column])
        )
        start = int(np.argmin(totals[row] + sideways))
        first, last = min(start, column), max(start, column)
        inked += int(crossed[row, first : last + 1].sum())
        column = start
    return Seam(edges.shape[1], boundary, clean=inked <= max(_CROSSED_PX, _CROSSED_SHARE * cost.shape[0]))

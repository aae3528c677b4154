"""Matrices and boxes in the default user space of a page (PDF 1.7, 8.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pikepdf

Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]  # left, bottom, right, top; empty where right < left

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
LETTER: Box = (0.0, 0.0, 612.0, 792.0)  # what PDFium takes for a page without a box
_BOX_NUMBERS, _MATRIX_NUMBERS = 4, 6


def multiply(first: Matrix, then: Matrix) -> Matrix:
    """The matrix that applies `first`, then `then`."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """A point in the space that the matrix leads to."""
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def around(points: Iterable[tuple[float, float]]) -> Box:
    """The smallest box that holds all points; there is at least one."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def transformed(box: Box, matrix: Matrix) -> Box:
    """The box around a box after a transformation."""
    left, bottom, right, top = box
    return around(apply(matrix, x, y) for x in (left, right) for y in (bottom, top))


def intersection(first: Box, second: Box) -> Box:
    """What two boxes share; empty (right < left or top < bottom) if nothing."""
    return max(first[0], second[0]), max(first[1], second[1]), min(first[2], second[2]), min(first[3], second[3])


def is_empty(box: Box) -> bool:
    """Tell whether a box holds no point."""
    return box[2] < box[0] or box[3] < box[1]


def area(box: Box) -> float:
    """Square points; 0 of an empty box."""
    return 0.0 if is_empty(box) else (box[2] - box[0]) * (box[3] - box[1])


def holds(outer: Box, inner: Box) -> bool:
    """Tell whether a box lies inside another."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def is_upright(matrix: Matrix) -> bool:
    """Tell whether a matrix turns boxes into boxes."""
    return (matrix[1] == 0 and matrix[2] == 0) or (matrix[0] == 0 and matrix[3] == 0)


def read_box(value: Any) -> Box | None:
    """A rectangle of a PDF with its corners in order; None if it is no rectangle."""
    numbers = _numbers(value, _BOX_NUMBERS)
    if numbers is None:
        return None
    return around([(numbers[0], numbers[1]), (numbers[2], numbers[3])])


def read_matrix(value: Any) -> Matrix:
    """A matrix of a PDF; the identity if there is none."""
    numbers = _numbers(value, _MATRIX_NUMBERS)
    return IDENTITY if numbers is None else (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])


def _numbers(value: Any, count: int) -> list[float] | None:
    if not isinstance(value, pikepdf.Array) or len(value) != count:
        return None
    try:
        return [float(number) for number in value]
    except (TypeError, ValueError):
        return None

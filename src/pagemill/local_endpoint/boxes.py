"""A box: printed text and its place on the page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Upper left, upper right, lower right, lower left, as detectors give them; y counts down.
Corners = Sequence[Sequence[float]]

# Steeper text is vertical on purpose, not a skewed scan.
_MOST_SKEW_RADIANS = math.radians(10)
# Corners are a few pixels off: three degrees for a short word, a fraction of one for a line this many heights long.
_TELLING_LENGTH = 8.0


@dataclass(frozen=True, slots=True)
class Box:
    """Text in an upright rectangle; y counts down."""

    left: float
    top: float
    right: float
    bottom: float
    text: str

    @property
    def width(self) -> float:
        """How wide the rectangle is."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """How high the rectangle is: about 1.3 times the type's size."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """The y half-way down."""
        return (self.top + self.bottom) / 2


def straightened(found: Sequence[tuple[Corners, str]]) -> list[Box]:
    """Turn the texts of a skewed page until its lines are level, each in the smallest upright rectangle."""
    skew = _skew_radians(corners for corners, _ in found)
    cosine, sine = math.cos(skew), math.sin(skew)
    boxes = []
    for corners, text in found:
        across = [x * cosine + y * sine for x, y in corners]
        down = [y * cosine - x * sine for x, y in corners]
        boxes.append(Box(min(across), min(down), max(across), max(down), text))
    return boxes


def typical_height(boxes: Iterable[Box]) -> float:
    """The median height of the boxes; 1 without any."""
    return statistics.median([box.height for box in boxes] or [1.0])


def _skew_radians(quads: Iterable[Corners]) -> float:
    """The median slope of the upper edges of lines long enough to tell; 0 without any."""
    slopes = []
    for (x0, y0), (x1, y1), _, (x3, y3) in quads:
        slope = math.atan2(y1 - y0, x1 - x0)
        long = math.hypot(x1 - x0, y1 - y0) >= _TELLING_LENGTH * math.hypot(x3 - x0, y3 - y0)
        if long and abs(slope) < _MOST_SKEW_RADIANS:
            slopes.append(slope)
    return statistics.median(slopes or [0.0])

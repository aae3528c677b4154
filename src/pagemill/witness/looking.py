"""What a witness worker does with an image. The models are loaded when they are first needed."""

from __future__ import annotations

import importlib
import io
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pagemill.errors import RequestRejected
from pagemill.witness.marks import BORDERS, edge_of, marks_of
from pagemill.witness.presence import can_tell_orientation

if TYPE_CHECKING:
    from pagemill.witness.detector import TextDetector
    from pagemill.witness.orientation import Orientation

_MOST_PIXELS = 4096 * 4096  # the largest that the settings allow


class Looker:
    """Looks at page images."""

    def regions(self, png: bytes) -> int:
        """Count what may be text: marks that may be writing, or else what the detector of text finds.

        The detector, which takes ten times as long, is asked only where no such mark is left.
        """
        rgb = _pixels(png)
        marks = marks_of(np.ascontiguousarray(rgb.min(axis=2)))
        if marks.strokes:
            return marks.strokes
        if BORDERS in marks.dirt:  # the detector takes the edge of a shadow for a line of text
            edge = edge_of(rgb.shape[:2])
            rgb = rgb[edge : rgb.shape[0] - edge, edge : rgb.shape[1] - edge]
        return self._detector.boxes(rgb)

    def turned(self, png: bytes) -> int | None:
        """By how many degrees clockwise an image must be turned to be upright; None: not sure, or nobody can tell."""
        return self._orientation.turned(_pixels(png)) if can_tell_orientation() else None

    # By name: each model is slow to load, and only what is asked for is.

    @cached_property
    def _detector(self) -> TextDetector:
        detector: TextDetector = importlib.import_module("pagemill.witness.detector").TextDetector()
        return detector

    @cached_property
    def _orientation(self) -> Orientation:
        orientation: Orientation = importlib.import_module("pagemill.witness.orientation").Orientation()
        return orientation


def _pixels(png: bytes) -> NDArray[np.uint8]:
    """Decode an image.

    Raises:
        RequestRejected: It is no PNG, is damaged, or has too many pixels.
    """
    try:
        picture = Image.open(io.BytesIO(png), formats=("PNG",))
        if picture.width * picture.height > _MOST_PIXELS:
            raise RequestRejected(f"the image has {picture.width} x {picture.height} pixels")
        return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RequestRejected(f"the image cannot be decoded: {type(error).__name__}") from error

"""RapidOCR's detector of text: where there is text on an image, not what it says. For witness workers only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR

# Half the time of 1,540 pixels, and it finds the same pale lines. What is smaller than it sees are marks.
_LONGEST_PX = 960

_SETTINGS = {
    "Global.use_cls": False,
    "Global.use_rec": False,
    "Global.log_level": "critical",
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


class TextDetector:
    """Finds boxes of text with one thread."""

    def __init__(self) -> None:
        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        self._engine: Callable[..., Any] = RapidOCR(params=_SETTINGS)  # returns one of four classes

    def boxes(self, rgb: NDArray[np.uint8]) -> int:
        """Count the boxes of text on an image, shape (h, w, 3)."""
        scale = _LONGEST_PX / max(rgb.shape)
        if scale < 1:
            rgb = np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        found = self._engine(np.ascontiguousarray(rgb[:, :, ::-1]), use_det=True, use_cls=False, use_rec=False)
        return 0 if found.boxes is None else len(found.boxes)

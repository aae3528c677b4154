"""RapidOCR: its wheel contains the models, it needs no network, and it reads Latin and Chinese script."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from rapidocr import RapidOCR
from rapidocr.utils.process_img import get_rotate_crop_image

from pagemill.local_endpoint.boxes import Corners, straightened
from pagemill.local_endpoint.reading_order import to_markdown

Pixels = npt.NDArray[np.uint8]

# Good lines score above 0.9 when read upright, and below 0.8 when read upside down.
_LOW_SCORE = 0.8
# A lower score is noise: a smudge, a logo, a ruled line.
_LEAST_SCORE = 0.5
# Text that is higher than wide by this factor runs up or down. RapidOCR reads such lines, but as if each stood alone.
_TALL = 1.5

_SETTINGS = {
    # The angle classifier sometimes turns upright lines upside down; `_turned_if_better` replaces it.
    "Global.use_cls": False,
    # Return every line: one with a low score is also tried upside down.
    "Global.text_score": 0.0,
    "Global.log_level": "critical",
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
    # Lines of different length in one batch are padded to the longest: slower on one thread.
    "Rec.rec_batch_num": 1,
    # Channels, height, least width. The default least width, 320, is more than most cells of a table need.
    "Rec.rec_img_shape": [3, 48, 96],
}


@dataclass(frozen=True, slots=True)
class _Line:
    corners: Corners
    text: str
    score: float
    upside_down: bool = False


class RapidOcrEngine:
    """Reads pages with one thread."""

    def __init__(self) -> None:
        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        self._ocr: Callable[..., Any] = RapidOCR(
            params=_SETTINGS
        )  # returns one of four classes, which depends on the arguments
        # The models load on first use: use them now, not in the first request.
        self.read(Image.new("RGB", (64, 64), "white"))
        self._recognise(np.full((48, 96, 3), 255, dtype=np.uint8))

    def read(self, picture: Image.Image) -> str:
        """Return the picture's text in reading order, as Markdown without markup; empty for a blank page."""
        pixels: Pixels = np.asarray(picture)[:, :, ::-1]  # OpenCV's order: blue first
        lines = self._lines(pixels)
        if _most(lines, _runs_up_or_down):
            pixels = np.rot90(pixels)
            lines = self._lines(pixels)
        if _most(lines, lambda line: line.upside_down):
            height, width, _ = pixels.shape
            lines = [_turned(line, width, height) for line in lines]
        return to_markdown(straightened([(line.corners, line.text) for line in lines]))

    def _lines(self, pixels: Pixels) -> list[_Line]:
        found = self._ocr(np.ascontiguousarray(pixels), use_det=True, use_cls=False, use_rec=True)
        if found.boxes is None:
            return []
        pieces = zip(found.boxes, found.txts, found.scores, strict=True)
        lines = [
            self._turned_if_better(_Line(corners.tolist(), text, score), pixels) for corners, text, score in pieces
        ]
        return [line for line in lines if line.score >= _LEAST_SCORE]

    def _turned_if_better(self, line: _Line, pixels: Pixels) -> _Line:
        if line.score >= _LOW_SCORE:
            return line
        cut = get_rotate_crop_image(pixels, np.array(line.corners, dtype=np.float32))
        text, score = self._recognise(np.rot90(cut, 2))
        return replace(line, text=text, score=score, upside_down=True) if score > line.score else line

    def _recognise(self, cut: Pixels) -> tuple[str, float]:
        found = self._ocr(np.ascontiguousarray(cut), use_det=False, use_cls=False, use_rec=True)
        return (found.txts[0], found.scores[0]) if found.txts else ("", 0.0)


def load(_tessdata: Path | None) -> RapidOcrEngine:
    """Load the models; about a second."""
    return RapidOcrEngine()


def _most(lines: Sequence[_Line], are: Callable[[_Line], bool]) -> bool:
    return sum(map(are, lines)) > len(lines) / 2


def _runs_up_or_down(line: _Line) -> bool:
    (left, top), _, (right, bottom), _ = line.corners
    return abs(bottom - top) > _TALL * abs(right - left)


def _turned(line: _Line, width: int, height: int) -> _Line:
    """The line's place after the whole page is turned by 180 degrees."""
    corners = [(width - x, height - y) for x, y in line.corners]
    return replace(line, corners=corners[2:] + corners[:2])

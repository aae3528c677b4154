"""Checks what OCR workers answer: one that a hostile image has taken over can send anything. For the service only."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from pagemill.local_endpoint.pictures import MOST_PIXELS
from pagemill.local_endpoint.reading import Reading
from pagemill.workers.frames import Bounds
from pagemill.workers.parsing import Strict
from pagemill.workers.process import Expected

_LONGEST_TEXT = 2**20  # characters; a page has some thousands
_HEAD_BYTES = 2**23  # such a text in UTF-8, escaped


class _Reading(Strict):
    text: str = Field(max_length=_LONGEST_TEXT)
    width_px: int = Field(ge=1, le=MOST_PIXELS)
    height_px: int = Field(ge=1, le=MOST_PIXELS)


class _Answer(Strict):
    reading: _Reading | None


def _parse(head: bytes, _: Sequence[bytes]) -> Reading | None:
    found = _Answer.model_validate_json(head).reading
    return Reading(found.text, found.width_px, found.height_px) if found else None


READING = Expected(Bounds(_HEAD_BYTES), _parse)

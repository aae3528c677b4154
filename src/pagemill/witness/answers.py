"""Checks what witness workers answer: one that an image has taken over can send anything. For the parent only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from pagemill.workers.frames import Bounds
from pagemill.workers.parsing import Strict
from pagemill.workers.process import Expected

_HEAD_BYTES = 2**10
_MOST_REGIONS = 100_000


class _Regions(Strict):
    found: int = Field(ge=0, le=_MOST_REGIONS)


class _Turned(Strict):
    found: Literal[0, 90, 180, 270] | None


def _regions(head: bytes, _: Sequence[bytes]) -> int | None:
    return _Regions.model_validate_json(head).found


def _turned(head: bytes, _: Sequence[bytes]) -> int | None:
    return _Turned.model_validate_json(head).found


REGIONS: Expected[int | None] = Expected(Bounds(_HEAD_BYTES), _regions)
TURNED: Expected[int | None] = Expected(Bounds(_HEAD_BYTES), _turned)

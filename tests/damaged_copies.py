"""Copies of good pages with one damaged spot each: a flipped bit, or sixteen zeroed bytes, anywhere in the file."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pikepdf
from numpy.typing import NDArray
from PIL import Image

from pagemill.errors import DocumentUnreadable, PageUnreadable
from tests.in_process import rendered

_ZEROED_BYTES = 16
_OF_NUMBERS = frozenset(b"0123456789.-+ ")
_DARKER_BY = 48  # of 255: what anti-aliasing never does
_NOISE_SHARE = 1e-4  # of the pixels: less than one letter of a full page


@dataclass(frozen=True)
class Verdict:
    """What becomes of a page: `failed`, `blank`, or `ok` with its pixels and findings."""

    status: str
    why: tuple[str, ...] = ()
    grey: NDArray[np.int16] | None = None


def damaged_copies(good: bytes, count: int, *, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield copies with what was done to them, the same at every call."""
    rng = random.Random(seed)  # noqa: S311 -- test data
    for _ in range(count):
        copy = bytearray(good)
        spot = rng.randrange(len(copy))
        if rng.random() < 0.5:
            bit = rng.randrange(8)
            copy[spot] ^= 1 << bit
            yield f"bit {bit} of byte {spot} flipped", bytes(copy)
        else:
            copy[spot : spot + _ZEROED_BYTES] = bytes(len(copy[spot : spot + _ZEROED_BYTES]))
            yield f"bytes {spot} to {spot + _ZEROED_BYTES} zeroed", bytes(copy)


def is_another_number(good: bytes, copy: bytes) -> bool:
    """Tell whether all that changed is one number into another, which is as good as the one before."""
    changed = [index for index, (old, new) in enumerate(zip(good, copy, strict=True)) if old != new]
    return len(changed) == 1 and {good[changed[0]], copy[changed[0]]} <= _OF_NUMBERS


def judge(path: Path, number: int = 1) -> Verdict:
    """Render one page of a file as a render worker does."""
    try:
        rendering = rendered(path, number)
    except (DocumentUnreadable, PageUnreadable) as error:
        return Verdict("failed", (str(error),))
    if rendering.png is None:
        return Verdict("blank", rendering.objections)
    with Image.open(io.BytesIO(rendering.png)) as image:
        return Verdict("ok", rendering.objections, np.asarray(image.convert("L"), np.int16))


def differs(good: Verdict, other: Verdict) -> bool:
    """Tell whether two renderings differ by more than noise."""
    if good.grey is None or other.grey is None or good.grey.shape != other.grey.shape:
        return True
    return bool((np.abs(good.grey - other.grey) > _DARKER_BY).mean() > _NOISE_SHARE)


def with_object_streams(path: Path) -> bytes:
    """The file as newer producers write it: objects in compressed streams, a cross-reference stream."""
    packed = io.BytesIO()
    with pikepdf.open(path) as pdf:
        pdf.save(packed, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return packed.getvalue()

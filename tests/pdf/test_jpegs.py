"""JPEGs: healthy ones are whole, however they are written; what damage leaves in them is seen."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from pagemill.pdf import jpeg
from pagemill.pdf.jpeg_levels import Step, find_step
from pagemill.pdf.streams import PartlyDamaged, StreamDamaged
from tests.pdf.jpegs import ENCODINGS, encoded, end_of, letter, photograph, pictures, scan_of, with_height


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_healthy_jpeg_is_whole_whatever_it_shows_and_whoever_wrote_it(encoding: str) -> None:
    for picture in pictures().values():
        jpeg.check(encoded(picture, encoding))


@pytest.mark.parametrize("encoding", ["grey", "4:2:0"])
def test_bytes_that_mean_nothing_are_no_damage(encoding: str) -> None:
    data = encoded(letter(), encoding)
    end = end_of(data)
    begin = data.index(b"\xff\xdb")  # of its tables

    jpeg.check(data + b"trailing bytes \xff\xd8\xff")
    jpeg.check(b"\r\n" + data)
    jpeg.check(data[:end] + bytes(7) + data[end:])
    jpeg.check(data[:end] + b"\xff\xff\xff" + data[end:])
    jpeg.check(data[:begin] + b"\xff\xfe\x00\x09comment" + data[begin:])
    jpeg.check(data[:begin] + b"\xff\xdd\x00\x04\x00\x00" + data[begin:])  # no restart marks


def test_a_picture_that_was_made_lower_than_its_data_is_whole() -> None:
    jpeg.check(with_height(encoded(letter(), "grey"), 400))


@pytest.mark.parametrize("encoding", ["grey", "grey, coarse", "4:2:0", "4:4:4", "optimized", "CMYK"])
def test_a_flipped_bit_that_shifts_or_shades_the_picture_is_seen(encoding: str) -> None:
    data = encoded(letter(), encoding)
    good, rng, seen, silent = _pixels(data), random.Random(3), 0, []  # noqa: S311 -- test data
    for _ in range(60):
        damaged = bytearray(data)
        place = rng.randrange(scan_of(data), end_of(data))
        damaged[place] ^= 1 << rng.randrange(8)
        if (np.abs(_pixels(bytes(damaged)) - good) > 48).mean() > 0.005:
            seen += _is_damaged(bytes(damaged))
            silent += [] if _is_damaged(bytes(damaged)) else [place]

    assert seen > 10
    assert len(silent) <= seen // 5  # a shade that begins among letters, or near a side, may pass


@pytest.mark.parametrize("encoding", ["grey", "4:2:0", "restart marks"])
def test_zeroed_bytes_are_seen(encoding: str) -> None:
    data = encoded(photograph(1), encoding)
    place = (scan_of(data) + end_of(data)) // 2

    with pytest.raises(StreamDamaged, match="zeroed"):
        jpeg.check(data[:place] + bytes(16) + data[place + 16 :])


@pytest.mark.parametrize("encoding", ["progressive", "grey, progressive", "restart marks", "many restart marks"])
def test_data_that_libjpeg_calls_corrupt_is_damaged(encoding: str) -> None:
    data = encoded(photograph(1), encoding)
    place = (scan_of(data) + end_of(data)) // 2

    assert _is_damaged(data[:place] + data[place + 400 :])


@pytest.mark.parametrize(("share", "kind"), [(0.3, StreamDamaged), (0.97, PartlyDamaged)])
def test_a_mark_without_a_meaning_loses_what_is_behind_it(share: float, kind: type[StreamDamaged]) -> None:
    data = encoded(photograph(1), "grey")
    place = int(share * len(data))

    with pytest.raises(StreamDamaged, match="a mark in it that has no meaning") as raised:
        jpeg.check(data[:place] + b"\xff\x39" + data[place + 2 :])

    assert raised.type is kind


@pytest.mark.parametrize(("share", "kind"), [(0.3, StreamDamaged), (0.97, PartlyDamaged)])
def test_a_picture_that_lacks_more_than_a_tenth_is_lost(share: float, kind: type[StreamDamaged]) -> None:
    data = encoded(photograph(1), "4:2:0")

    with pytest.raises(StreamDamaged) as raised:
        jpeg.check(data[: int(share * len(data))].rstrip(b"\xff") + b"\xff\xd9")

    assert raised.type is kind


def test_a_jpeg_that_no_reader_here_decodes_is_left_to_pdfium() -> None:
    data = encoded(letter(), "grey")
    twelve_bits = data.replace(b"\xff\xc0\x00\x0b\x08", b"\xff\xc1\x00\x0b\x0c")

    assert twelve_bits != data
    jpeg.check(twelve_bits)


def _levels(*, paper: int = 220) -> NDArray[np.uint8]:
    return (paper + np.random.default_rng(5).normal(0, 1.5, (60, 120))).astype(np.uint8)


def _from(levels: NDArray[np.uint8], place: int, height: int) -> NDArray[np.uint8]:
    shaded = levels.astype(int).ravel()
    shaded[place:] += height
    return np.asarray(np.clip(shaded, 0, 255), np.uint8).reshape(levels.shape)


@pytest.mark.parametrize("height", [-150, -30, 20, 35])
@pytest.mark.parametrize("column", [30, 60, 90])
def test_a_step_that_begins_within_a_row_and_stays_is_found(height: int, column: int) -> None:
    step = find_step(_from(_levels(), 20 * 120 + column, height))

    assert isinstance(step, Step)
    assert abs(step.height - height) <= 4
    assert abs(step.row - 20) <= 4


def test_a_step_at_the_side_of_the_picture_or_one_that_does_not_stay_is_an_edge_of_something() -> None:
    levels = _levels()
    patch = levels.copy()
    patch[20:, 60:] -= 50

    assert find_step(_from(levels, 20 * 120, -50)) is None
    assert find_step(patch) is None
    assert find_step(levels) is None


def _pixels(data: bytes) -> NDArray[np.int16]:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("L"), np.int16)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _is_damaged(data: bytes) -> bool:
    try:
        jpeg.check(data)
    except StreamDamaged:
        return True
    return False

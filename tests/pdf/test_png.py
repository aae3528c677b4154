from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from pagemill.pdf import png

_SHAPES = st.tuples(st.integers(1, 300), st.integers(1, 40), st.just(4))


def _as_pixels(bgrx: NDArray[np.uint8]) -> NDArray[np.uint32]:
    return bgrx.view(np.uint32)[:, :, 0]


@given(arrays(np.uint8, _SHAPES))
def test_colours_survive_to_the_last_bit(bgrx: NDArray[np.uint8]) -> None:
    decoded = np.asarray(Image.open(io.BytesIO(png.encode(_as_pixels(bgrx)))).convert("RGB"))

    assert np.array_equal(decoded, bgrx[:, :, 2::-1])


@given(arrays(np.uint8, _SHAPES))
def test_grey_pixels_become_one_channel_with_the_same_values(bgrx: NDArray[np.uint8]) -> None:
    bgrx[:, :, 1] = bgrx[:, :, 2] = bgrx[:, :, 0]

    image = Image.open(io.BytesIO(png.encode(_as_pixels(bgrx))))

    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), bgrx[:, :, 0])


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("row", [0, 127, 128, 299])
def test_one_coloured_pixel_anywhere_keeps_the_colours(row: int, channel: int) -> None:
    bgrx = np.full((300, 5, 4), 255, np.uint8)
    bgrx[row, 4, channel] = 254

    assert not png.is_grey(_as_pixels(bgrx))


def test_the_unused_byte_of_a_pixel_is_ignored() -> None:
    bgrx = np.full((10, 5, 4), 200, np.uint8)
    bgrx[:, :, 3] = np.arange(5)

    assert png.is_grey(_as_pixels(bgrx))


def test_rows_that_are_part_of_a_wider_buffer_are_encoded_alone() -> None:
    buffer = np.arange(10 * 8 * 4, dtype=np.uint8).reshape(10, 8, 4)
    part = _as_pixels(buffer)[:, :5]

    decoded = np.asarray(Image.open(io.BytesIO(png.encode(part))))

    assert np.array_equal(decoded, buffer[:, :5, 2::-1])

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pagemill.pdf.seams import Seam, ink, level_seam, upright_seam

_GAP = 4


def _picture(width: int, height: int, draw: list[tuple[float, float, str]]) -> NDArray[np.uint32]:
    image = Image.new("L", (width, height), 255)
    for x, y, text in draw:
        ImageDraw.Draw(image).text((x, y), text, fill=0, font=ImageFont.load_default(14))
    return _bgrx(image)


def _bgrx(image: Image.Image) -> NDArray[np.uint32]:
    grey = np.asarray(image.convert("L")).astype(np.uint32)
    return (grey * 0x010101 | 0xFF000000).astype(np.uint32)


def _crossed(edges: NDArray[np.bool_], seam: Seam) -> int:
    """Ink on the pixels to the right of the boundary."""
    return sum(int(row[column : column + 1].any()) for row, column in zip(edges, seam.boundary, strict=True))


def test_a_seam_between_two_lines_is_clean_and_cuts_neither() -> None:
    edges = ink(_picture(300, 56, [(5, 2, "the upper line of text"), (5, 38, "and the one that follows it")]))

    seam = level_seam(edges, _GAP)

    assert seam.clean
    assert not _crossed(edges.T, seam)
    assert len(seam.boundary) == 300
    assert edges[: seam.boundary.min()].any()
    assert edges[seam.boundary.max() :].any()


def test_a_seam_follows_the_gap_between_lines_that_slope() -> None:
    image = Image.new("L", (600, 300), 255)
    for y in range(0, 300, 30):
        ImageDraw.Draw(image).text((0, y), "a line of a page that lay askew on the glass" * 2, fill=0, font_size=14)
    edges = ink(_bgrx(image.rotate(4, fillcolor=255).crop((50, 100, 550, 200))))

    seam = level_seam(edges, _GAP)

    assert seam.clean
    assert np.ptp(seam.boundary) > 5
    assert not _crossed(edges.T, seam)


def test_a_seam_goes_around_labels_instead_of_through_the_gaps_between_their_words() -> None:
    places = [(10.0, 20.0), (60.0, 70.0), (30.0, 120.0)]
    picture = _picture(200, 160, [(x, y, "4279 mm DN50 nr 1") for x, y in places])
    edges = ink(picture)

    seam = upright_seam(edges, _GAP)

    assert seam.clean
    for _, y in places:
        rows = slice(int(y), int(y) + 14)
        left = sum(int(row[:column].sum()) for row, column in zip(edges[rows], seam.boundary[rows], strict=True))
        assert left in {0, int(edges[rows].sum())}  # the whole label is on one side


def test_a_rule_across_the_overlap_is_no_reason_to_call_a_seam_unclean() -> None:
    image = Image.new("L", (300, 60), 255)
    for x in (0, 100, 200, 297):
        ImageDraw.Draw(image).rectangle((x, 0, x + 2, 59), fill=0)

    assert level_seam(ink(_bgrx(image)), _GAP).clean


def test_a_seam_through_a_photo_is_not_clean() -> None:
    assert not level_seam(ink(_bgrx(Image.effect_noise((300, 60), 120))), _GAP).clean


@pytest.mark.parametrize("paper", [255, 0, 128])
def test_even_paper_of_any_brightness_is_no_ink(paper: int) -> None:
    assert not ink(_bgrx(Image.new("L", (30, 20), paper))).any()


def test_the_noise_of_a_scan_is_no_ink() -> None:
    noise = np.random.default_rng(1).normal(240, 8, (100, 100)).clip(0, 255).astype(np.uint8)

    assert ink(_bgrx(Image.fromarray(noise))).mean() < 0.01


@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 1000), density=st.floats(0, 0.3))
@settings(max_examples=50)
def test_a_seam_has_one_boundary_a_row_within_the_overlap(rows: int, columns: int, seed: int, density: float) -> None:
    edges = np.random.default_rng(seed).random((rows, columns)) < density

    seam = upright_seam(edges, _GAP)

    assert len(seam.boundary) == rows
    assert ((seam.boundary >= 0) & (seam.boundary <= columns)).all()

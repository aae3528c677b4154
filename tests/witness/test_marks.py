"""Marks on nearly empty pages: whatever may be writing is found, also where a detector of text finds nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pagemill.witness.marks import marks_of
from tests.sparse_pages import BLANK, CONTENT, SparsePage, sparse_pages


@pytest.fixture(scope="module")
def pages() -> dict[str, SparsePage]:
    return {page.kind: page for page in sparse_pages(seed=11)}


@pytest.mark.parametrize("kind", CONTENT)
def test_a_page_with_a_single_small_content_has_strokes(pages: dict[str, SparsePage], kind: str) -> None:
    assert marks_of(pages[kind].pixels).strokes


@pytest.mark.parametrize("kind", ["paper", "show-through", "borders", "hole punches", "a fold"])
def test_what_scanners_and_paper_leave_is_no_stroke(pages: dict[str, SparsePage], kind: str) -> None:
    assert kind in BLANK
    assert marks_of(pages[kind].pixels).strokes == 0


def _paper(shape: tuple[int, int] = (1540, 1089), level: int = 235) -> NDArray[np.uint8]:
    noise = np.random.default_rng(5).normal(0, 2, shape)
    return np.clip(level + noise, 0, 255).astype(np.uint8)


def _drawn(*boxes: tuple[int, int, int, int], ellipse: tuple[int, int, int, int] | None = None) -> NDArray[np.uint8]:
    ink = Image.new("L", (1089, 1540), 0)
    pen = ImageDraw.Draw(ink)
    for box in boxes:
        pen.rectangle(box, fill=200)
    if ellipse:
        pen.ellipse(ellipse, fill=200)
    page: NDArray[np.uint8] = np.clip(_paper().astype(np.int16) - np.asarray(ink), 0, 255).astype(np.uint8)
    return page


def test_specks_of_dust_are_dust_and_a_row_of_them_that_may_be_dots_is_not() -> None:
    specks = [(100 + 90 * number, 200 + 60 * number, 103 + 90 * number, 203 + 60 * number) for number in range(8)]
    dots = [(100 + 7 * number, 700, 103 + 7 * number, 703) for number in range(8)]

    assert marks_of(_drawn(*specks)).dirt == ("dust",)
    assert marks_of(_drawn(*specks)).strokes == 0
    assert marks_of(_drawn(*dots)).strokes == 1


def test_a_number_that_touches_a_shadow_at_the_edge_is_a_stroke() -> None:
    shadow = (0, 0, 30, 1539)
    number = (28, 1400, 52, 1416)

    assert marks_of(_drawn(shadow)).strokes == 0
    assert marks_of(_drawn(shadow, number)).strokes == 1


def test_a_disc_is_a_hole_punch_at_the_edge_and_a_mark_in_the_middle() -> None:
    assert marks_of(_drawn(ellipse=(50, 500, 82, 532))).dirt == ("hole punches",)
    assert marks_of(_drawn(ellipse=(500, 500, 532, 532))).strokes == 1


def test_light_writing_on_dark_paper_is_found() -> None:
    page = _paper(level=60)
    page[700:712, 400:600:3] = 200

    assert marks_of(page).strokes


@pytest.mark.parametrize("shape", [(1, 1), (2, 1540), (28, 28), (1540, 30)])
def test_pages_of_any_shape_are_looked_at(shape: tuple[int, int]) -> None:
    assert marks_of(np.full(shape, 255, np.uint8)).strokes == 0


def test_a_page_of_noise_is_not_empty() -> None:
    noise = np.random.default_rng(1).integers(0, 2, (1540, 1089), np.uint8) * 255

    assert marks_of(noise).strokes

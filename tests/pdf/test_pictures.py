"""Other pictures of a page than the standard one: larger, in halves, turned."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from pagemill.domain.pages.model import Picture, Rendering
from pagemill.domain.pages.pictures import pictured
from pagemill.domain.pages.sizes import Contents, Sheet, Sizes, layout
from pagemill.domain.pages.tiling import Box, overlaps
from pagemill.errors import PageUnreadable
from pagemill.pdf.page import RenderOptions, RenderPage
from pagemill.pdf.pdf_file import PdfFile
from pagemill.pdf.rendering import PdfPages
from tests.in_process import rendered
from tests.pdfs import write_pdf

A4 = (595, 842)


def _square_in_the_upper_left(canvas: Canvas) -> None:
    canvas.rect(60, 642, 140, 140, fill=1, stroke=0)
    canvas.rect(300, 100, 20, 20, fill=1, stroke=0)


def _lines(canvas: Canvas) -> None:
    for number in range(50):
        canvas.drawString(72, 780 - 14 * number, f"line {number} of a page of text that goes on to its end")


def _grey(image: bytes | None) -> NDArray[np.uint8]:
    assert image
    return np.asarray(Image.open(io.BytesIO(image)).convert("L"))


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (270, 1)])
def test_a_turned_picture_shows_the_page_turned_clockwise(tmp_path: Path, degrees: int, turns: int) -> None:
    path = write_pdf(tmp_path / "a.pdf", [_square_in_the_upper_left], size=A4)

    upright, turned = _grey(rendered(path).png), _grey(rendered(path, picture=Picture(turned=degrees)).png)

    expected = np.rot90(upright, turns)
    assert turned.shape == expected.shape
    assert (turned != expected).mean() < 0.001


def test_turning_a_page_leaves_it_as_it_was_for_the_next_picture(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [_square_in_the_upper_left, _lines], size=A4)

    with PdfFile.opened(path) as file:
        pages = PdfPages(RenderOptions())
        first, turned, again = (
            pages.answer(RenderPage(file, 1, picture)) for picture in (Picture(), Picture(turned=90), Picture())
        )

    assert isinstance(first, Rendering)
    assert isinstance(again, Rendering)
    assert isinstance(turned, Rendering)
    assert first.png == again.png != turned.png


def test_a_larger_picture_of_a_page_that_fills_the_bound_is_one_without_its_margins(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [_lines], size=A4)

    standard, larger = rendered(path), rendered(path, picture=Picture(magnification=1.5))

    assert (larger.dpi or 0) > 1.1 * (standard.dpi or 0)
    assert max(larger.width_px, larger.height_px) <= 1540
    assert _grey(larger.png).min() == 0


def test_a_larger_picture_of_a_page_without_margins_stays_within_the_bound(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [lambda canvas: canvas.rect(0, 0, *A4)], size=A4)

    assert rendered(path, picture=Picture(magnification=3)).png == rendered(path).png


def test_a_smaller_picture_has_as_many_pixels_less(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [_lines], size=A4)

    assert _grey(rendered(path, picture=Picture(magnification=0.5)).png).shape == (770, 545)


def test_two_halves_show_every_line_and_are_as_large_as_asked(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [_lines], size=A4)

    halves = rendered(path, picture=Picture(magnification=1.3, halves=True))

    assert len(halves.pieces) == 2
    assert halves.png is None
    assert 1.25 * 132 < (halves.dpi or 0) < 1.4 * 132
    heights = [_grey(piece.png).shape[0] for piece in halves.pieces]
    assert all(height <= 1540 for height in heights)
    lines = sum(_lines_in(piece.png) for piece in halves.pieces)
    assert lines == 50


def test_halves_that_cannot_be_parted_without_cutting_words_both_show_their_overlap(tmp_path: Path) -> None:
    def dense(canvas: Canvas) -> None:
        for number in range(10, 830, 3):
            canvas.drawString(20 + number % 7, number, "words upon words upon words " * 3)

    halves = rendered(write_pdf(tmp_path / "a.pdf", [dense], size=A4), picture=Picture(halves=True))

    assert [piece.overlap > 0 for piece in halves.pieces] == [False, True]


def test_a_page_that_is_cut_into_pieces_anyway_stays_so() -> None:
    path = Path(__file__).parents[1] / "faulty_inputs" / "d1-receipt-80mm-x-2m.pdf"

    assert rendered(path, picture=Picture(halves=True, magnification=2)).pieces == rendered(path).pieces


@given(
    width=st.floats(20, 5000),
    height=st.floats(20, 5000),
    magnification=st.floats(0.1, 8),
    halves=st.booleans(),
    extent=st.none() | st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.5, 1), st.floats(0.5, 1)),
)
def test_no_image_of_any_picture_is_larger_than_the_model_takes(
    width: float, height: float, magnification: float, *, halves: bool, extent: tuple[float, ...] | None
) -> None:
    sheet, sizes = Sheet(width, height), Sizes(max_pieces=64)
    box = Box(extent[0] * width, extent[1] * height, extent[2] * width, extent[3] * height) if extent else None
    known = Contents(extent=box)
    try:
        standard = layout(sheet, known, sizes)
    except PageUnreadable:  # a line is no page
        reject()

    found = pictured(standard, sheet, known, sizes, Picture(magnification, halves))

    grid = found.grid
    assert max(grid.piece_width, grid.piece_height) <= sizes.longest_edge_px
    assert grid.rows[-1] + grid.piece_height == found.window.height
    assert min(overlaps(grid.rows, grid.piece_height)) >= 0
    assert found.pieces == (2 if halves and standard.pieces == 1 else standard.pieces)


@pytest.mark.parametrize("wrong", [{"turned": 45}, {"magnification": 0.0}, {"magnification": float("inf")}])
def test_a_picture_that_cannot_be_rendered_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Picture(**wrong)  # type: ignore[arg-type]


def _lines_in(image: bytes) -> int:
    """Rows of letters, parted by rows of paper."""
    inked = (_grey(image) < 128).any(axis=1).astype(np.int8)
    return int((np.diff(inked, prepend=0) == 1).sum())

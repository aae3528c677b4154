from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.pages.sizes import (
    Contents,
    Lettering,
    Sheet,
    Sizes,
    common_size,
    is_usual,
    layout,
)
from pagemill.domain.pages.tiling import Box, overlaps
from pagemill.errors import PageUnreadable

MM = 72 / 25.4
SIZES = Sizes()


def _text(size: float, ems: float = 500.0) -> Contents:
    return Contents(lettering=[Lettering(size, ems)])


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        ((595.276, 841.89), (1089, 1540)),
        ((612, 792), (1190, 1540)),
        ((841.89, 1190.55), (1090, 1540)),  # A3
        ((1190.55, 841.89), (1540, 1090)),
        ((792, 1224), (997, 1540)),  # tabloid
    ],
)
@pytest.mark.parametrize("contents", [Contents(), _text(9), Contents(scan_scale=300 / 72), _text(7.1)])
def test_usual_paper_is_one_picture_whatever_is_on_it(
    size: tuple[float, float], pixels: tuple[int, int], contents: Contents
) -> None:
    found = layout(Sheet(*size), contents, SIZES)

    assert is_usual(Sheet(*size), SIZES)
    assert (found.pieces, found.is_whole_page) == (1, True)
    assert (found.window.width, found.window.height) == pixels


@pytest.mark.parametrize(
    ("size", "contents"),
    [
        ((1920, 1080), _text(14)),  # a slide
        ((1684, 2384), _text(24)),  # a poster of A1
        ((4000, 3000), Contents(scan_scale=1.0)),  # a photo of a page, one pixel a unit
        ((1920, 1080), Contents()),  # a slide whose text is outlines
        ((2384, 1684), Contents(lettering=[Lettering(30, 100), Lettering(6, 5)])),  # a poster with a line of fine print
    ],
)
def test_a_large_page_that_is_legible_is_one_picture(size: tuple[float, float], contents: Contents) -> None:
    assert layout(Sheet(*size), contents, SIZES).pieces == 1


@pytest.mark.parametrize(
    ("size", "contents", "least_dpi"),
    [
        ((80 * MM, 2000 * MM), _text(9), 100),  # a receipt
        ((1189 * MM, 841 * MM), _text(2.5 * MM), 130),  # a drawing with lettering of 2.5 mm
        ((1189 * MM, 841 * MM), Contents(scan_scale=300 / 72), 130),  # the same, scanned
        ((1189 * MM, 841 * MM), Contents(), 130),  # the same, its lettering drawn as lines
        ((80 * MM, 2000 * MM), Contents(scan_scale=200 / 72), 130),  # a scanned receipt
        ((600, 15_000), Contents(scan_scale=1.0), 72),  # a screenshot of a web page: its own pixels
        ((2000 * MM, 80 * MM), _text(9), 100),  # a banner
        ((595, 842), _text(3), 200),  # sixteen pages on a sheet of A4
    ],
)
def test_a_page_that_would_be_illegible_is_cut_into_pieces(
    size: tuple[float, float], contents: Contents, least_dpi: float
) -> None:
    found = layout(Sheet(*size), contents, SIZES)

    assert 1 < found.pieces <= SIZES.max_pieces
    assert found.dpi >= least_dpi * (1 - 1e-9)


def test_a_user_unit_makes_a_small_box_a_large_page() -> None:
    found = layout(Sheet(8.5, 11, 72), _text(1 / 6), SIZES)

    assert (found.window.width, found.window.height) == (1190, 1540)
    assert found.dpi == pytest.approx(140)


def test_a_user_unit_makes_a_box_of_a4_a_poster_which_needs_no_more_pixels() -> None:
    found = layout(Sheet(595, 842, 4), _text(12), SIZES)

    assert (found.pieces, found.window.height) == (1, 1540)
    assert found.dpi == pytest.approx(32.9, abs=0.1)


@pytest.mark.parametrize(
    ("contents", "height"),
    [
        (Contents(), 585),  # 300 dpi
        (Contents(scan_scale=25.0), 1540),  # the scan has more
        (Contents(scan_scale=6.0), 842),
        (Contents(scan_scale=2.0), 585),
        (_text(2), 983),  # tiny text needs more
    ],
)
def test_a_small_page_is_not_enlarged_beyond_300_dpi_without_a_reason(contents: Contents, height: int) -> None:
    found = layout(Sheet(99.2, 140.3), contents, SIZES)

    assert (found.pieces, found.window.height) == (1, height)


def test_only_the_part_with_contents_is_rendered_of_a_page_that_is_too_large() -> None:
    known = Contents([Lettering(12, 300)], extent=Box(60, 13_600, 560, 14_300))

    found = layout(Sheet(14_400, 14_400), known, SIZES)

    assert (found.pieces, found.is_whole_page) == (1, False)
    assert max(found.window.width, found.window.height) == 1540
    assert found.window.left <= 60 * found.scale
    assert found.window.top + found.window.height >= 14_300 * found.scale


def test_a_page_that_needs_too_many_pieces_says_what_its_resolution_would_be() -> None:
    with pytest.raises(
        PageUnreadable,
        match=r"too small to read: .* 14400 x 14400 points needs 49 pieces at 48 dpi, and 32 pieces have about 39 dpi; "
        "set PAGEMILL_MAX_PIECES=49 or more",
    ):
        layout(Sheet(14_400, 14_400), _text(12), SIZES)


def test_the_number_of_pieces_that_the_message_asks_for_is_enough() -> None:
    assert layout(Sheet(14_400, 14_400), _text(12), Sizes(max_pieces=49)).pieces <= 49


def test_a_page_that_needs_more_pieces_than_there_may_be_has_to_be_cut_before() -> None:
    with pytest.raises(PageUnreadable, match="cut it into smaller pages"):
        layout(Sheet(14_400, 14_400), _text(5), SIZES)


def test_with_fewer_pieces_the_resolution_is_lower() -> None:
    many, few = (layout(Sheet(1189 * MM, 841 * MM), _text(7.1), Sizes(max_pieces=most)) for most in (32, 12))

    assert many.pieces > few.pieces <= 12
    assert few.dpi < many.dpi
    assert few.em_px >= 8


@pytest.mark.parametrize("size", [(0, 0), (0, 500), (math.inf, 10), (math.nan, math.nan)])
def test_a_page_without_area_is_refused(size: tuple[float, float]) -> None:
    with pytest.raises(PageUnreadable, match="no area"):
        layout(Sheet(*size), Contents(), SIZES)


def test_a_page_too_narrow_for_a_token_at_the_highest_resolution_is_refused() -> None:
    with pytest.raises(PageUnreadable, match="too narrow to read: 14400 x 3 points"):
        layout(Sheet(14_400, 3), Contents(), SIZES)


def test_a_stamp_is_no_measure_of_a_page() -> None:
    assert common_size([Lettering(8, 12)], 0.1) is None


@given(
    width=st.floats(1, 20_000),
    height=st.floats(1, 20_000),
    user_unit=st.sampled_from([0.5, 1.0, 10.0, 72.0]),
    size=st.floats(0.1, 200),
    scan_scale=st.sampled_from([0.0, 1.0, 4.0, 25.0]),
    ems=st.sampled_from([0.0, 300.0]),
    edge=st.sampled_from([224, 1540]),
    max_pieces=st.integers(1, 64),
)
def test_pieces_are_within_the_bounds_and_leave_nothing_out(  # noqa: PLR0917 -- one page
    width: float,
    height: float,
    user_unit: float,
    size: float,
    scan_scale: float,
    ems: float,
    edge: int,
    max_pieces: int,
) -> None:
    sizes = Sizes(longest_edge_px=edge, max_pieces=max_pieces)
    contents = Contents([Lettering(size, ems)], scan_scale=scan_scale)
    try:
        found = layout(Sheet(width, height, user_unit), contents, sizes)
    except PageUnreadable as error:
        assert "too small to read" in str(error) or "too narrow" in str(error)  # noqa: PT017 -- most pages are readable
        return

    assert 1 <= found.pieces <= max_pieces
    assert max(found.grid.piece_width, found.grid.piece_height) <= edge
    assert _covers(found.grid.columns, found.grid.piece_width, found.window.width)
    assert _covers(found.grid.rows, found.grid.piece_height, found.window.height)
    assert len(found.cores()) == found.pieces
    assert found.dpi == pytest.approx(found.scale * 72 / user_unit)


def _covers(starts: tuple[int, ...], length: int, whole: int) -> bool:
    return (
        starts[0] == 0 and starts[-1] + length == whole and all(shared > 0 for shared in overlaps(starts, length)[1:])
    )


def test_pieces_share_several_lines_of_text() -> None:
    found = layout(Sheet(80 * MM, 2000 * MM), _text(9), SIZES)

    assert min(overlaps(found.grid.rows, found.grid.piece_height)[1:]) >= 2 * 1.3 * found.em_px

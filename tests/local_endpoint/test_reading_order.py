from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pagemill.local_endpoint.boxes import Box
from pagemill.local_endpoint.reading_order import to_markdown

LINE_HEIGHT = 20.0
PITCH = 24.0


def line(left: float, row: float, width: float, text: str) -> Box:
    return Box(left, row * PITCH, left + width, row * PITCH + LINE_HEIGHT, text)


def column(left: float, first_row: float, width: float, words: str) -> list[Box]:
    return [line(left, first_row + number, width, word) for number, word in enumerate(words.split())]


def cells(row: float, *texts: str) -> list[Box]:
    return [line(100 + 150 * place, row, 70, text) for place, text in enumerate(texts)]


def reading(boxes: list[Box]) -> list[str]:
    return to_markdown(boxes).split()


TITLE = line(100, 0, 800, "title")
LEFT, RIGHT = column(100, 3, 380, "a b c d e f"), column(520, 3, 380, "g h i j k l")
TABLE = [*cells(0, "Well", "Depth", "Loss"), *cells(1, "A-1", "85", "12.4"), *cells(2, "B-7", "199", "9.6")]


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        pytest.param([], "", id="a blank page"),
        pytest.param(column(100, 0, 800, "a b c"), "a b c", id="lines of one column"),
        pytest.param([TITLE, *LEFT, *RIGHT], "title a b c d e f g h i j k l", id="a title over two columns"),
        pytest.param(
            [*LEFT, *column(520, 3.5, 380, "g h i j k l")], "a b c d e f g h i j k l", id="columns out of step"
        ),
        pytest.param(
            [*LEFT, *RIGHT, line(300, 14, 400, "footer")], "a b c d e f g h i j k l footer", id="a footer comes last"
        ),
        pytest.param(
            [*column(100, 0, 240, "a b c"), *column(360, 0, 240, "d e f"), *column(620, 0, 240, "g h i")],
            "a b c d e f g h i",
            id="three columns",
        ),
        pytest.param(
            [*column(100, 0, 390, "a b c d"), *column(502, 0, 390, "e f g h")],
            "a b c d e f g h",
            id="a gutter narrower than a letter is high",
        ),
        pytest.param(
            [*LEFT, *RIGHT, *column(100, 12, 380, "m n o")],
            "a b c d e f m n o g h i j k l",
            id="a left column that is longer than the right, with a gap",
        ),
        pytest.param(
            [*column(520, 0, 380, "x y"), *LEFT, *RIGHT],
            "a b c d e f x y g h i j k l",
            id="a right column that begins above the left",
        ),
        pytest.param(
            [*column(100, 0, 390, "a b c d e f g h"), *column(508, 0.4, 390, "x y")],
            "a b c d e f g h x y",
            id="a full column and the beginning of another, close by",
        ),
        pytest.param(TABLE, "Well Depth Loss A-1 85 12.4 B-7 199 9.6", id="a table row by row"),
        pytest.param(
            [*LEFT, *column(520, 3, 380, "g h i"), line(520, 6, 70, "1"), line(640, 6, 70, "2")],
            "a b c d e f g h i 1 2",
            id="a table row inside a column",
        ),
        pytest.param(
            [line(100, 0, 60, "Net"), line(700, 0.1, 60, "638.75"), line(100, 1, 60, "VAT"), line(700, 1.1, 60, "127")],
            "Net 638.75 VAT 127",
            id="labels and amounts a little out of line",
        ),
        pytest.param(
            [*column(100, 0, 200, "a b c d"), line(600, 6, 120, "date"), line(100, 8, 800, "text")],
            "a b c d date text",
            id="a date right of an address, but below it",
        ),
    ],
)
def test_boxes_are_read_in_the_order_a_person_reads_them(boxes: list[Box], words: str) -> None:
    assert reading(boxes) == words.split()


@pytest.mark.parametrize("boxes", [[TITLE, *LEFT, *RIGHT], TABLE])
def test_the_order_in_which_boxes_are_found_does_not_matter(boxes: list[Box]) -> None:
    assert to_markdown(boxes[::-1]) == to_markdown(boxes)


def test_the_cells_of_a_table_row_stand_on_one_line() -> None:
    assert to_markdown(TABLE).splitlines() == ["Well  Depth  Loss", "A-1  85  12.4", "B-7  199  9.6"]


def test_a_cell_of_two_lines_stays_together() -> None:
    wrapped = [line(100, 0, 70, "first"), line(100, 1, 70, "second"), line(250, 0.5, 70, "12"), line(400, 0.5, 70, "8")]
    below = [box for row in (2, 3, 4) for box in cells(row, "x", "y", "z")]

    assert to_markdown([*wrapped, *below]).splitlines() == ["first second  12  8", "x  y  z", "x  y  z", "x  y  z"]


def test_a_table_of_long_cells_is_read_row_by_row_and_cell_by_cell() -> None:
    boxes = [
        line(left, 2.6 * row + lower, 380, f"{name}{row}{lower}")
        for row in range(3)
        for left, name in ((100, "l"), (520, "r"))
        for lower in range(2)
    ]

    assert to_markdown(boxes).splitlines() == ["l00 l01  r00 r01", "l10 l11  r10 r11", "l20 l21  r20 r21"]


def test_a_stretched_space_in_a_justified_line_is_not_a_gutter() -> None:
    boxes = [line(100, 0, 800, "a"), line(100, 1, 380, "b"), line(500, 1, 400, "c"), line(100, 2, 800, "d")]

    assert to_markdown(boxes) == "a b c d"


coordinates = st.floats(0, 1000, allow_nan=False)
sizes = st.floats(0, 400, allow_nan=False)


@st.composite
def pages(draw: st.DrawFn) -> list[Box]:
    places = draw(st.lists(st.tuples(coordinates, coordinates, sizes, sizes), max_size=25))
    texts = [
        draw(st.sampled_from([f"w{n}x", f"w{n}x w{n}y", f"W{n} x. Y{n},", f"1. w{n}"])) for n in range(len(places))
    ]
    return [Box(x, y, x + w, y + h, text) for (x, y, w, h), text in zip(places, texts, strict=True)]


@given(pages())
@example([Box(0, 0, 0, 0, "w0x"), Box(0, 0, 1, 0, "w1x")])
def test_no_text_is_lost_or_repeated(boxes: list[Box]) -> None:
    printed = Counter(word for box in boxes for word in box.text.split())

    assert Counter(reading(boxes)) == printed

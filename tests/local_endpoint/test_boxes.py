from __future__ import annotations

import math

import pytest

from pagemill.local_endpoint.boxes import Box, straightened
from pagemill.local_endpoint.bullets import with_bullets
from pagemill.local_endpoint.reading_order import to_markdown


def turned(box: Box, degrees: float) -> tuple[list[tuple[float, float]], str]:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
    return [(x * cosine - y * sine, x * sine + y * cosine) for x, y in corners], box.text


def two_columns() -> list[Box]:
    return [
        Box(left, 24 * row, left + 400, 24 * row + 20, f"{name}{row}")
        for left, name in ((100, "left"), (540, "right"))
        for row in range(30)
    ]


@pytest.mark.parametrize("degrees", [-3, -1, 0, 1, 3])
def test_a_skewed_page_is_read_like_a_straight_one(degrees: float) -> None:
    pieces = [turned(box, degrees) for box in two_columns()]

    assert to_markdown(straightened(pieces)) == to_markdown(two_columns())


def test_vertical_text_does_not_make_the_page_skewed() -> None:
    vertical = turned(Box(0, 0, 300, 20, "margin"), 90)
    level = Box(100, 100, 400, 120, "level")

    assert straightened([vertical, vertical, turned(level, 0)])[2] == level


def test_short_words_do_not_make_the_page_skewed() -> None:
    word = [(141.0, 235.0), (195.0, 238.0), (193.0, 268.0), (140.0, 265.0)]

    assert straightened([(word, "Well")]) == [Box(140, 235, 195, 268, "Well")]


@pytest.mark.parametrize("mark", ["\N{BULLET}", "\N{BLACK SQUARE}", "\N{MIDDLE DOT}"])
def test_a_bullet_beside_a_line_becomes_markdown(mark: str) -> None:
    boxes = [Box(100, 0, 400, 30, "Night buses run"), Box(60, 8, 75, 22, mark)]

    assert [box.text for box in with_bullets(boxes)] == ["- Night buses run"]


def test_a_bullet_in_the_line_becomes_markdown() -> None:
    assert with_bullets([Box(0, 0, 9, 9, "\N{BULLET}Night buses")])[0].text == "- Night buses"


def test_a_bullet_without_text_beside_it_stays() -> None:
    assert len(with_bullets([Box(0, 0, 9, 9, "\N{BULLET}"), Box(500, 0, 900, 9, "far away")])) == 2

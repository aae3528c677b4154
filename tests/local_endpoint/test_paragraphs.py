from __future__ import annotations

import pytest

from pagemill.local_endpoint.boxes import Box
from pagemill.local_endpoint.paragraphs import join_lines

LETTER_WIDTH = 10.0


def lines(*texts: str, pitch: float = 24, height: float = 20) -> list[list[Box]]:
    return [
        [Box(100, number * pitch, 100 + LETTER_WIDTH * len(text), number * pitch + height, text)]
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (("the quick brown", "fox jumped over"), "the quick brown fox jumped over"),
        (("a long line of text that", "ends.", "Another begins here and"), None),
        (("the German word Donau-", "dampfschiff is long"), "the German word Donaudampfschiff is long"),
        (("between Frankfurt-Ost-", "Bahnhof and the river"), "between Frankfurt-Ost- Bahnhof and the river"),
        (("in the war from 1939-", "1945 there were none"), "in the war from 1939- 1945 there were none"),
    ],
)
def test_line_ends_forced_by_the_edge_become_spaces(texts: tuple[str, ...], joined: str | None) -> None:
    expected = joined or "a long line of text that ends.\nAnother begins here and"

    assert join_lines(lines(*texts)) == expected


def test_the_lines_of_an_address_stay_apart() -> None:
    address = ("Dr E. Vellacott", "Curator", "The Guildhall", "Little Harding", "Yorkshire, the North Riding")

    assert join_lines(lines(*address)).splitlines() == list(address)


@pytest.mark.parametrize("mark", ["- ", "1. ", "12) ", "(a) ", "\N{EN DASH} "])
def test_each_item_of_a_list_begins_a_line(mark: str) -> None:
    items = lines(f"{mark}first of them all", f"{mark}second of them all")

    assert join_lines(items) == f"{mark}first of them all\n{mark}second of them all"


def test_wider_white_between_lines_ends_a_paragraph() -> None:
    upper = lines("one two three", "four five six", "seven eight.")
    lower = [
        [Box(b.left, b.top + 110, b.right, b.bottom + 110, b.text)] for (b,) in lines("nine ten eleve", "twelve 13")
    ]

    assert join_lines([*upper, *lower]) == "one two three four five six seven eight.\n\nnine ten eleve twelve 13"


def test_a_heading_in_larger_type_is_a_paragraph_of_its_own() -> None:
    heading = [Box(100, 0, 500, 30, "A heading in large type")]
    text = [[Box(100, 34 + 24 * n, 500, 54 + 24 * n, f"the text below it, in line {n:012d}")] for n in range(2)]

    assert join_lines([heading, *text]).startswith("A heading in large type\n\nthe text below")


def test_parts_of_one_line_are_joined_by_a_space() -> None:
    assert join_lines([[Box(0, 0, 30, 20, "one"), Box(40, 0, 70, 20, "two")]]) == "one two"

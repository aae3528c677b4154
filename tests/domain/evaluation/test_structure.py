from __future__ import annotations

import pytest

from pagemill.domain.evaluation.structure import lines_of, structure_of

_MEGABYTE = 2**20


def test_headings_are_found_however_they_are_written() -> None:
    text = "# One *and* only\n\nTwo\n===\n\n## Three ##\n\n<h2>Four</h2>\n\n#Five\n\n```\n# Six\n```\n"

    assert sorted(structure_of(text).headings) == ["four", "one and only", "three", "two"]


def test_list_items_are_found_at_every_depth_and_not_in_code() -> None:
    text = "- apples\n  * green ones\n1. pears\n2) plums\n   and more\n\n```\n- code\n```\n-no item"

    found = structure_of(text)

    assert found.items == ["apples", "green ones", "pears", "plums"]
    assert found.blocks == ["apples", "green ones", "1. pears", "2) plums and more", "code -no item"]


def test_rows_of_pipe_tables_are_found_with_their_columns() -> None:
    text = "| a | b |\n|---|--:|\n| 1 | |\n| | *2* |\n|x\\|y|z|\n\nNo | table\n"

    found = structure_of(text)

    assert found.rows == [("a", "b"), ("1",), ("", "2"), ("x y", "z")]
    assert found.blocks == ["a b", "1", "2", "x y z", "No table"]


def test_rows_of_html_tables_are_found_with_their_columns() -> None:
    text = "above<table><thead><tr><th colspan='2'>Both</th><th>c</th></tr></thead>"
    text += "<tr><td rowspan=2>r</td><td>1</td></tr>\n"
    text += "<tr><td>2</td><td><b>3</b></td></tr></table>below"

    found = structure_of(text)

    assert found.rows == [("Both", "", "c"), ("r", "1"), ("", "2", "3")]
    assert found.blocks == ["Both c", "r 1", "2 3", "above", "below"]


def test_a_table_that_is_never_closed_has_the_rows_that_are_there() -> None:
    assert structure_of("<table><tr><td>a<td>b<tr><td>c").rows == [("a", "b"), ("c",)]


def test_a_table_within_a_cell_is_a_table_of_its_own() -> None:
    text = "<table><tr><td>a<table><tr><td>inner</td></tr></table></td><td>b</td></tr></table>end"

    assert sorted(structure_of(text).rows) == [("a", "b"), ("inner",)]


def test_a_text_without_markup_has_a_block_a_line() -> None:
    assert lines_of("one\n\n  two  three \n") == ["one", "two three"]


@pytest.mark.parametrize(
    "part",
    [
        "<table>",
        "<td>",
        "<td rowspan=99 colspan=99>",
        "<tr>",
        "</table>",
        "|-|\n",
        "|a|\n",
        "# ",
        "- ",
        "```\n",
        "<h1>",
        "=\n",
    ],
)
def test_a_megabyte_of_unfinished_structure_takes_no_longer_than_text(part: str) -> None:
    found = structure_of(part * (_MEGABYTE // len(part) // 8))

    assert sum(map(len, found.blocks)) <= _MEGABYTE

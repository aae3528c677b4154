from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.wording import counted, said, shown, without_controls


@pytest.mark.parametrize(("number", "words"), [(0, "0 pages"), (1, "1 page"), (2, "2 pages"), (1000, "1000 pages")])
def test_only_one_is_singular(number: int, words: str) -> None:
    assert counted(number, "page") == words


@pytest.mark.parametrize(("number", "words"), [(0, "0 processes"), (1, "1 process"), (2, "2 processes")])
def test_an_irregular_plural_is_given(number: int, words: str) -> None:
    assert counted(number, "process", "processes") == words


@pytest.mark.parametrize(
    "name", ["a.pdf", "sub folder/a b.pdf", "gr\u00f6\u00dfe.pdf", "\u65e5\u672c/\u8a9e.pdf", "a\\b.pdf", "it's.pdf"]
)
def test_a_name_that_people_can_read_is_shown_as_it_is(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a\nb.pdf", "'a\\nb.pdf'"),
        ("a\x1b[31m.pdf", "'a\\x1b[31m.pdf'"),
        ("invoice\u202efdp.exe", "'invoice\\u202efdp.exe'"),
        ("a\u200b.pdf", "'a\\u200b.pdf'"),
        ("a\u3164.pdf", "'a\\u3164.pdf'"),
        ("a\u00a0.pdf", "'a\\xa0.pdf'"),
        ("a.pdf ", "'a.pdf '"),
        ("a\\\u200b.pdf", "'a\\\\\\u200b.pdf'"),
        ("'a.pdf'", "''a.pdf''"),
        ("a\udcff.pdf", "'a\\udcff.pdf'"),
    ],
)
def test_what_nobody_sees_in_a_name_is_escaped(name: str, text: str) -> None:
    assert shown(name) == text


@given(st.text(max_size=20), st.text(max_size=20))
def test_two_names_are_never_shown_alike_and_are_always_printable(one: str, other: str) -> None:
    assert shown(one).isprintable()
    assert (shown(one) == shown(other)) == (one == other)


@given(st.text())
def test_a_text_for_a_terminal_holds_no_control_characters_except_line_ends(text: str) -> None:
    written = without_controls(text)

    assert {unicodedata.category(character) for character in written} & {"Cf", "Cs", "Zl", "Zp"} == set()
    assert {character for character in written if unicodedata.category(character) == "Cc"} <= {"\n", "\t"}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(OSError("no route\nto host"), "no route"), (ConnectionResetError(), "ConnectionResetError")],
    ids=repr,
)
def test_an_error_that_says_nothing_is_named_by_its_kind(error: Exception, sentence: str) -> None:
    assert said(error) == sentence

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.pages.planning import format_pages, page_chunks, parse_pages
from pagemill.errors import UsageError


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("", (1, 2, 3, 4, 5)),
        ("2", (2,)),
        ("1-3", (1, 2, 3)),
        ("-2", (1, 2)),
        ("4-", (4, 5)),
        ("-", None),
        (" 5 , 1-2,2", (1, 2, 5)),
        ("4-9", (4, 5)),
        ("9", ()),
        ("0", None),
        ("3-2", None),
        ("two", None),
        ("1..3", None),
    ],
)
def test_page_ranges_mean_the_same_as_in_a_print_dialog(text: str, pages: tuple[int, ...] | None) -> None:
    if pages is None:
        with pytest.raises(UsageError, match="--pages"):
            parse_pages(text)
    else:
        assert parse_pages(text).of(5) == pages


@given(st.sets(st.integers(1, 400), min_size=1))
def test_ranges_that_were_formatted_are_parsed_again(numbers: set[int]) -> None:
    assert set(parse_pages(format_pages(numbers)).of(400)) == numbers


@given(st.lists(st.integers()), st.integers(1, 50))
def test_chunks_hold_everything_once_and_in_order(numbers: list[int], size: int) -> None:
    found = page_chunks(numbers, size=size)

    assert [number for chunk in found for number in chunk] == numbers
    assert all(1 <= len(chunk) <= size for chunk in found)

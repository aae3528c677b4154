from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.local_endpoint.tokens import count_image_tokens, count_text_tokens, cut


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("  \n", 0), ("one two", 2), ("international", 3), ("12.4 %", 4), ("Größe", 1), ("a_b", 3)],
)
def test_tokens_are_words_pieces_of_long_words_and_single_signs(text: str, tokens: int) -> None:
    assert count_text_tokens(text) == tokens


def test_an_image_counts_as_the_model_counts_it() -> None:
    assert count_image_tokens(1090, 1540) == 39 * 55


@given(st.text(), st.integers(1, 20))
def test_a_cut_text_begins_the_text_and_has_no_more_tokens_than_asked_for(text: str, most: int) -> None:
    piece = cut(text, most)

    assert text.startswith(piece)
    assert count_text_tokens(piece) == min(most, count_text_tokens(text))

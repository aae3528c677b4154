from __future__ import annotations

import pytest

from pagemill.domain.wording import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 pages"), (1, "1 page"), (2, "2 pages"), (1000, "1000 pages")])
def test_only_one_is_singular(number: int, words: str) -> None:
    assert counted(number, "page") == words


@pytest.mark.parametrize(("number", "words"), [(0, "0 processes"), (1, "1 process"), (2, "2 processes")])
def test_an_irregular_plural_is_given(number: int, words: str) -> None:
    assert counted(number, "process", "processes") == words

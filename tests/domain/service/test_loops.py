from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.service.loops import find_loop

_PROSE = " ".join(f"word{number}" for number in range(300))


def test_a_text_without_repetition_is_no_loop() -> None:
    assert find_loop(_PROSE) is None


@pytest.mark.parametrize("pattern", ["the same line again and again", "no", " ".join(f"w{n}" for n in range(150))])
def test_a_pattern_that_repeats_to_the_end_is_a_loop(pattern: str) -> None:
    loop = find_loop(f"{_PROSE} {' '.join([pattern] * 50)}")

    assert loop
    assert set(loop.pattern.split()) == set(pattern.split())
    assert loop.times >= 49


def test_a_loop_that_ends_by_itself_is_found_in_the_middle() -> None:
    assert find_loop(f"{_PROSE} {'round and round ' * 30} {_PROSE}")


@pytest.mark.parametrize(
    "text",
    [
        "Chapter one . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . 7",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        * 3,
        "Yes Yes Yes No Yes Yes Yes No Yes Yes Yes No",
        "Amen, amen, amen, I say unto you",
    ],
)
def test_leaders_borders_and_short_refrains_are_no_loops(text: str) -> None:
    assert find_loop(text) is None


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=200))
def test_a_loop_that_is_reported_is_in_the_text_as_often_as_said(words: list[str]) -> None:
    if loop := find_loop(" ".join(words)):
        assert " ".join([loop.pattern] * loop.times) in " ".join(words)

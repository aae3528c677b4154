"""Cuts two long texts at what both have exactly once, so that the pieces between can be compared one by one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise

_CHARACTERS = 16  # of an anchor in a text
_WORDS = 3  # of an anchor in a list of words
_FIRST_WITHOUT_BLANKS = "\u0e00"  # Thai, and East Asian scripts after it: words do not begin behind a blank
_ONE_IN = 4  # characters of these scripts at which an anchor may begin


def pieces_of_text(one: str, other: str) -> Iterator[tuple[str, str]]:
    """Cut two texts at the same places. Joined again, the pieces are the texts."""
    for ours, theirs in _pieces(_grams(one), _grams(other), len(one), len(other)):
        yield one[ours], other[theirs]


def pieces_of_words(
    one: Sequence[Hashable], other: Sequence[Hashable]
) -> Iterator[tuple[Sequence[Hashable], Sequence[Hashable]]]:
    """Cut two lists of words at the same places."""
    for ours, theirs in _pieces(_word_grams(one), _word_grams(other), len(one), len(other)):
        yield one[ours], other[theirs]


def _grams(text: str) -> Iterator[tuple[int, Hashable]]:
    """Places where a word begins, each with the characters from there on."""
    before = " "
    for place, character in enumerate(text):
        if before == " " or (character >= _FIRST_WITHOUT_BLANKS and ord(character) % _ONE_IN == 0):
            yield place, text[place : place + _CHARACTERS]
        before = character


def _word_grams(words: Sequence[Hashable]) -> Iterator[tuple[int, Hashable]]:
    for place in range(len(words) - _WORDS + 1):
        yield place, tuple(words[place : place + _WORDS])


def _pieces(
    ours: Iterable[tuple[int, Hashable]], theirs: Iterable[tuple[int, Hashable]], end: int, other_end: int
) -> Iterator[tuple[slice, slice]]:
    once, once_there = _once(ours), _once(theirs)
    pairs = [(place, once[gram]) for gram, place in once_there.items() if gram in once]  # by place in the other
    cuts = [(pairs[index][1], pairs[index][0]) for index in _rising([place for _, place in pairs])]
    for (begin, other_begin), (stop, other_stop) in pairwise([(0, 0), *cuts, (end, other_end)]):
        yield slice(begin, stop), slice(other_begin, other_stop)


def _once(grams: Iterable[tuple[int, Hashable]]) -> dict[Hashable, int]:
    """Where grams stand that occur once."""
    places: dict[Hashable, int] = {}
    several = set()
    for place, gram in grams:
        if places.setdefault(gram, place) != place:
            several.add(gram)
    return {gram: place for gram, place in places.items() if gram not in several}


def _rising(numbers: Sequence[int]) -> list[int]:
    """The indexes of a longest rising subsequence."""
    ends: list[int] = []  # the smallest last number of a subsequence of each length
    last: list[int] = []  # its index
    before: list[int] = []  # of each number: the index that it follows
    for index, number in enumerate(numbers):
        length = bisect_left(ends, number)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [number]
        last[length : length + 1] = [index]
    found = []
    index = last[-1] if last else -1
    while index >= 0:
        found.append(index)
        index = before[index]
    return found[::-1]

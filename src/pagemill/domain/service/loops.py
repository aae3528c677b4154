"""Finds the loop that a model has fallen into: the same words again and again, in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST_WORDS = 200  # of a pattern
_FEWEST_TIMES = 4  # a line that stands there three times may stand there three times on the page
_FEWEST_WORDS = 40  # in all repetitions together: dotted leaders and rows of a table repeat legitimately


@dataclass(frozen=True, slots=True)
class Loop:
    """A pattern that repeats without anything in between."""

    pattern: str
    times: int


def find_loop(text: str) -> Loop | None:
    """Return the longest run of one pattern of words, if it is long enough to be a loop.

    Takes time proportional to the number of words times the longest pattern.
    """
    words = text.split()
    best: Loop | None = None
    most = _FEWEST_WORDS - 1
    for length in range(1, min(_LONGEST_WORDS, len(words) // _FEWEST_TIMES) + 1):
        run, end = _longest_run(words, length)
        times = run // length + 1
        if times >= _FEWEST_TIMES and times * length > most and not _is_leader(words[end - length : end]):
            most = times * length
            best = Loop(" ".join(words[end - length : end]), times)
    return best


def _longest_run(words: Sequence[str], length: int) -> tuple[int, int]:
    """How many words in a row equal the one `length` before, at most, and where that run ends."""
    run = longest = end = 0
    for index in range(length, len(words)):
        run = run + 1 if words[index] == words[index - length] else 0
        if run > longest:
            longest, end = run, index + 1
    return longest, end


def _is_leader(pattern: Sequence[str]) -> bool:
    """Dots, dashes and cell borders of tables of contents and empty tables are no words."""
    return not any(character.isalnum() for word in pattern for character in word)

"""Finds loops in a model's output: the same words repeated without a break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST_WORDS = 200  # of a pattern
_FEWEST_TIMES = 4  # a line that is repeated three times may be on the page three times
_FEWEST_WORDS = 40  # in all repetitions together: dotted leaders and table rows repeat legitimately


@dataclass(frozen=True, slots=True)
class Loop:
    """A pattern of words that repeats without anything in between."""

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
    """The longest run of words that each equal the word `length` positions before: its size, and where it ends."""
    run = longest = end = 0
    for index in range(length, len(words)):
        run = run + 1 if words[index] == words[index - length] else 0
        if run > longest:
            longest, end = run, index + 1
    return longest, end


def _is_leader(pattern: Sequence[str]) -> bool:
    """Whether a pattern has no letters or digits, like the dots of a table of contents or the borders of a table."""
    return not any(character.isalnum() for word in pattern for character in word)

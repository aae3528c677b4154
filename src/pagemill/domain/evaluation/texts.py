"""Compares two texts without markup: by characters, by words in their order, and by words in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel, Levenshtein

from pagemill.domain.evaluation.anchors import pieces_of_text, pieces_of_words

# To compare texts of n and m characters takes n x m / 64 steps; with at most k edits, n x k / 64. Texts with a larger
# product are cut into pieces first.
_LARGEST_PRODUCT = 10**10  # half a second
_MOST_STEPS = 2 * 10**10  # of a piece: n x k
_LARGEST_WORDS = 10**9  # of words, which take longer


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much of what is wanted was found. Agreements of several pages can be added."""

    wanted: int = 0  # in the truth
    found: int = 0  # in the text
    both: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.wanted + other.wanted, self.found + other.found, self.both + other.both)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, 0 to 1; None where neither text has any."""
        total = self.wanted + self.found
        return 2 * self.both / total if total else None


NOTHING = Agreement()


def edits(text: str, truth: str) -> int:
    """Characters that are inserted, deleted or replaced to turn one text into the other.

    For texts of many 100,000 characters it may be a little more than the smallest number.
    """
    if len(text) * len(truth) <= _LARGEST_PRODUCT:
        return Levenshtein.distance(text, truth)
    found = sum(_bounded_edits(one, other) for one, other in pieces_of_text(text, truth))
    return min(found, max(len(text), len(truth)))


def _bounded_edits(one: str, other: str) -> int:
    """Edits between two pieces; those of a whole replacement where there are too many to count."""
    longest = max(len(one), len(other), 1)
    most = _MOST_STEPS // longest
    found = Levenshtein.distance(one, other, score_cutoff=most)
    return found if found <= most else longest


def in_any_order(text: Iterable[Hashable], truth: Iterable[Hashable]) -> Agreement:
    """How many words, or other values, two texts share. A word counts as often as it occurs."""
    found, wanted = Counter(text), Counter(truth)
    return Agreement(wanted.total(), found.total(), (found & wanted).total())


def in_order(text: Sequence[Hashable], truth: Sequence[Hashable]) -> Agreement:
    """How many words two texts share in the same order: those of their longest common subsequence."""
    small = len(text) * len(truth) <= _LARGEST_WORDS
    both = sum(
        (len(one) + len(other) - Indel.distance(one, other)) // 2
        for one, other in ([(text, truth)] if small else pieces_of_words(text, truth))
        if len(one) * len(other) <= _LARGEST_WORDS
    )
    return Agreement(len(truth), len(text), both)

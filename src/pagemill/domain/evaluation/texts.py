"""Compares two texts without markup: by characters, by words in their order, and by words in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel, Levenshtein

# Edits between two texts of n and m characters take n x m / 64 steps: a second or two for this product. Beyond it,
# words are aligned first.
_LARGEST_PRODUCT = 3 * 10**10


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

    For texts of many 100,000 characters that differ much it may be a little more than the smallest number.
    """
    if len(text) * len(truth) <= _LARGEST_PRODUCT:
        return Levenshtein.distance(text, truth)
    ours, wanted = text.split(" "), truth.split(" ")
    total = 0
    for step in Levenshtein.opcodes(ours, wanted):
        one, other = ours[step.src_start : step.src_end], wanted[step.dest_start : step.dest_end]
        total += _edits_within(" ".join(one), " ".join(other)) if one != other else 0
        total += not one or not other  # the blank beside them
    return total


def in_any_order(text: Iterable[Hashable], truth: Iterable[Hashable]) -> Agreement:
    """How many words, or other values, two texts share. A word counts as often as it occurs."""
    found, wanted = Counter(text), Counter(truth)
    return Agreement(wanted.total(), found.total(), (found & wanted).total())


def in_order(text: Sequence[Hashable], truth: Sequence[Hashable]) -> Agreement:
    """How many words two texts share in the same order: those of their longest common subsequence."""
    apart = Indel.distance(text, truth)
    return Agreement(len(truth), len(text), (len(text) + len(truth) - apart) // 2)


def _edits_within(text: str, truth: str) -> int:
    """Edits between two stretches that have no word in common at the same place."""
    if len(text) * len(truth) <= _LARGEST_PRODUCT:
        return Levenshtein.distance(text, truth)
    return max(len(text), len(truth))

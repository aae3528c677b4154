"""Finds lines that have changed places. Blocks that are read in another order, such as columns, are no such lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_GRAM = 3  # words in a row that stand once in a text show where a line belongs
_GAP = 6  # words: so much may be missing inside of a block
_LINE = 40  # words: a block that is longer is a paragraph or a column, not a line or two
_SHORTEST = 3  # words of a line: less is a cell or a number, whose order layers get wrong
_MOST_BLOCKS = 100  # more: the layer has another order throughout, as one that is read across columns


@dataclass(frozen=True, slots=True)
class _Block:
    """Words that follow each other in both texts."""

    start: int  # in the other text
    end: int

    @property
    def words(self) -> int:
        return self.end - self.start


def swapped_words(here: Sequence[str], there: Sequence[str]) -> int:
    """How many words of a text stand in lines that have changed places with others, as the other text has them."""
    if here == there:
        return 0
    blocks = _blocks(here, there)
    if not 1 < len(blocks) <= _MOST_BLOCKS:
        return 0
    kept = _kept(blocks)
    moved = [index for index in range(len(blocks)) if index not in kept]
    lines = [index for index in moved if _SHORTEST <= blocks[index].words <= _LINE]
    return sum(_swapped(blocks, index, kept, lines) for index in lines)


def _blocks(here: Sequence[str], there: Sequence[str]) -> list[_Block]:
    """The blocks of a text in its order, by three words in a row that both texts have once.

    What one text has twice may be a phrase that the other one writes in another way the second time: no line has moved.
    """
    if min(len(here), len(there)) < _GRAM:
        return []
    numbers = {word: number for number, word in enumerate(dict.fromkeys(there))}
    found, places, times = np.unique(_grams(there, numbers), return_index=True, return_counts=True)
    grams = _grams(here, numbers)
    nearest = np.minimum(np.searchsorted(found, grams), len(found) - 1)
    _, kinds, here_times = np.unique(grams, return_inverse=True, return_counts=True)
    known = (found[nearest] == grams) & (times[nearest] == 1) & (here_times[kinds] == 1)
    starts = places[nearest[known]]
    if not len(starts):
        return []
    steps = np.diff(starts)
    borders = np.flatnonzero((steps < 1) | (steps > _GAP + _GRAM)) + 1
    return [_Block(int(part[0]), int(part[-1]) + _GRAM) for part in np.split(starts, borders)]


def _grams(words: Sequence[str], numbers: Mapping[str, int]) -> NDArray[np.int64]:
    """A number for each three words in a row. Words without a number share one, and match no word of the other text."""
    other = len(numbers)
    found = np.array([numbers.get(word, other) for word in words], np.int64)
    return (found[:-2] * (other + 1) + found[1:-1]) * (other + 1) + found[2:]


def _kept(blocks: Sequence[_Block]) -> set[int]:
    """The blocks that stand in the right order and have the most words: a longest increasing subsequence."""
    most = [block.words for block in blocks]
    before = [-1] * len(blocks)
    for index, block in enumerate(blocks):
        for earlier in range(index):
            if blocks[earlier].start < block.start and most[earlier] + block.words > most[index]:
                most[index], before[index] = most[earlier] + block.words, earlier
    last = max(range(len(blocks)), key=most.__getitem__)
    kept = set()
    while last >= 0:
        kept.add(last)
        last = before[last]
    return kept


def _swapped(blocks: Sequence[_Block], index: int, kept: set[int], lines: Sequence[int]) -> int:
    """The words of a moved line, with those of its neighbour that it has passed; 0 if it has swapped with no line."""
    line = blocks[index]
    passed = [other for other in range(len(blocks)) if _are_inverted(blocks, index, other)]
    distance = sum(blocks[other].words for other in passed if other in kept)
    if distance <= _LINE:
        return line.words + distance
    return line.words if any(other in lines for other in passed) else 0


def _are_inverted(blocks: Sequence[_Block], one: int, other: int) -> bool:
    return (other - one) * (blocks[other].start - blocks[one].start) < 0

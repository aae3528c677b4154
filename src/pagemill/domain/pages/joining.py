"""Joins the texts of a page's pieces: what two pieces both show is kept once. Pure functions.

Pieces usually share nothing: they are parted along white paper. Where there is none, both show the overlap; then the
end of one text is aligned with the beginning of the next, word by word, since not all models keep the lines of a page.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

_WORD = re.compile(r"\S+")
_SLACK = 1.6  # an overlap has at most so many times the words that its height lets expect,
_SLACK_WORDS = 16  # and so many more: two lines
_LEAST_LIKENESS = 0.6  # of two words that may be one, of which a letter is misread
_GAP = -0.5  # a word that only one of the texts has
_DIFFERENT = 3 * _GAP  # worse than two gaps: words that differ are never paired
_CUT, _CUT_WORDS = -0.02, 12  # words at the very border, whose line may be cut in half
_FOUND_SHARE = 0.5  # of the expected words have to agree
_DISTANCE = 0.5  # of alignments that agree alike, the expected length decides: lost by one twice or half as long
_AMBIGUOUS = 0.1  # another alignment is about as good


@dataclass(frozen=True, slots=True)
class PieceText:
    """The text of a piece."""

    text: str
    overlap: float = 0.0  # share of its height that the piece before it shows, too


@dataclass(frozen=True, slots=True)
class _Alignment:
    score: float  # a word
    pairs: tuple[tuple[int, int], ...]  # words that are the same, as indices of both texts


def join(pieces: Sequence[PieceText]) -> tuple[str, tuple[str, ...]]:
    """Join the texts of a page's pieces in their order.

    Returns:
        The text, and what may be wrong with it.
    """
    joined = pieces[0].text.strip("\n")
    objections = []
    for number, (before, piece) in enumerate(pairwise(pieces), start=2):
        after = piece.text.strip("\n")
        if not piece.overlap:
            joined = "\n\n".join(filter(None, (joined, after)))
            continue
        joined, problem = _aligned(joined, after, piece.overlap, len(before.text.split()))
        if problem:
            objections.append(f"overlap of pieces {number - 1} and {number} {problem}")
    return joined, tuple(objections)


def _aligned(joined: str, after: str, overlap: float, words_before: int) -> tuple[str, str]:
    """Join two texts that share about `overlap` of their words; and say what may be wrong."""
    one, other = list(_WORD.finditer(joined))[-words_before:] if words_before else [], list(_WORD.finditer(after))
    expected = min(overlap * words_before, overlap * len(other)), max(overlap * words_before, overlap * len(other))
    most = math.ceil(_SLACK * expected[1]) + _SLACK_WORDS
    one, other = one[-most:], other[:most]
    found = [
        candidate
        for candidate in _alignments([_plain(word) for word in one], [_plain(word) for word in other], expected)
        if len(candidate.pairs) >= max(1, _FOUND_SHARE * expected[0]) and candidate.score > 0
    ]
    if not found:
        return "\n\n".join(filter(None, (joined, after))), "not found: text may be doubled"
    best = max(found, key=lambda candidate: candidate.score)
    ambiguous = any(
        candidate.score > best.score - _AMBIGUOUS and not set(candidate.pairs) & set(best.pairs) for candidate in found
    )
    middle = len(best.pairs) // 2
    upper, lower = best.pairs[middle]
    # Words that are left out although the other text does not have them. In an overlap they are lines cut in half.
    left_out = (len(one) - 1 - upper) - (len(best.pairs) - 1 - middle) + lower - middle
    ambiguous |= left_out > expected[1]
    text = joined[: one[upper].end()] + after[other[lower].end() :]
    return text, "is ambiguous: text that is repeated may be doubled or missing" if ambiguous else ""


def _plain(word: re.Match[str]) -> str:
    return word[0].casefold()


def _alignments(one: Sequence[str], other: Sequence[str], expected: tuple[float, float]) -> list[_Alignment]:
    """For each number of words from the beginning of `other`: how they agree best with the end of `one`.

    Args:
        one: The last words of the earlier text.
        other: The first words of the later one.
        expected: The least and the greatest number of words that the overlap's height lets expect.
    """
    # Needleman and Wunsch with free ends: an alignment begins at any word of `one`, and ends at its end.
    rows, columns = len(one), len(other)
    score = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    origin: list[list[str]] = [[""] * (columns + 1) for _ in range(rows + 1)]
    for column in range(1, columns + 1):
        score[0][column] = score[0][column - 1] + (_CUT if column <= _CUT_WORDS else _GAP)
        origin[0][column] = "other"
    for row, word in enumerate(one, start=1):
        skip = _CUT if row > rows - _CUT_WORDS else _GAP
        above, here, origins = score[row - 1], score[row], origin[row]
        for column, other_word in enumerate(other, start=1):
            here[column], origins[column] = max(
                (above[column - 1] + _worth(word, other_word), "z both"),  # of steps that are equal, this one
                (above[column] + skip, "one"),
                (here[column - 1] + (_CUT if column <= _CUT_WORDS else _GAP), "other"),
            )
    return [
        _Alignment(score[rows][used] / used - _distance(used, expected), _pairs(origin, rows, used))
        for used in range(1, columns + 1)
        if rows
    ]


def _distance(used: int, expected: tuple[float, float]) -> float:
    """How far a length is from those expected: 0 within them."""
    fewest, most = (max(length, 1.0) for length in expected)
    return _DISTANCE * max(math.log2(fewest / used), math.log2(used / most), 0.0)


@functools.lru_cache(maxsize=4096)
def _worth(one: str, other: str) -> float:
    """1 for equal words, less for words that are alike."""
    if one == other:
        return 1.0
    if min(len(one), len(other)) < 3:  # noqa: PLR2004 -- of two letters, one misread leaves nothing
        return _DIFFERENT
    likeness = SequenceMatcher(None, one, other, autojunk=False).ratio()
    return likeness if likeness >= _LEAST_LIKENESS and not _are_numbers(one, other) else _DIFFERENT


def _are_numbers(one: str, other: str) -> bool:
    """Numbers that differ are not the same number misread: in a table all are alike."""
    return any(character.isdigit() for character in one) and any(character.isdigit() for character in other)


def _pairs(origin: Sequence[Sequence[str]], row: int, column: int) -> tuple[tuple[int, int], ...]:
    pairs = []
    while column and row:
        step = origin[row][column]
        if step == "z both":
            pairs.append((row - 1, column - 1))
        row -= step != "other"
        column -= step != "one"
    return tuple(reversed(pairs))

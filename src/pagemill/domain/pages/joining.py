"""Joins the texts of a page's pieces: what two pieces both show is kept once. Pure functions.

Pieces usually share nothing: they are parted along white paper. Where there is none, both show the overlap; then the end
of one text is aligned with the beginning of the next, line by line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_SLACK = 1.6  # an overlap has at most so many times the lines that its height lets expect,
_SLACK_LINES = 2  # and so many more: lines differ in height
_SHARPNESS = 4  # lines of a receipt differ in one figure of thirty characters; a misread letter costs as much
_LEAST_LIKENESS = 0.5  # of two lines, sharpened, that may be the same: 0.84 of their characters
_GAP = -0.3  # a line that only one of the texts has
_CUT_LINES = 1  # lines at the very border, which may be cut in half
_FOUND_SHARE = 0.5  # of the expected lines have to agree
_DISTANCE = 0.02  # between two alignments that agree alike, the length expected decides
_AMBIGUOUS = 0.1  # of a line: another alignment is about as good


@dataclass(frozen=True, slots=True)
class PieceText:
    """The text of a piece."""

    text: str
    overlap: float = 0.0  # share of its height that the piece before it shows, too


@dataclass(frozen=True, slots=True)
class _Alignment:
    score: float
    pairs: tuple[tuple[int, int], ...]  # lines that are the same, as indices of both texts
    used: int  # lines of the later text that belong to the overlap


def join(pieces: Sequence[PieceText]) -> tuple[str, tuple[str, ...]]:
    """Join the texts of a page's pieces in their order.

    Returns:
        The text, and what may be wrong with it.
    """
    joined = pieces[0].text.strip("\n")
    objections = []
    for number, piece in enumerate(pieces[1:], start=2):
        after = piece.text.strip("\n")
        if not piece.overlap:
            joined = "\n\n".join(filter(None, (joined, after)))
            continue
        joined, problem = _joined(joined, after, piece.overlap, pieces[number - 2].text)
        if problem:
            objections.append(f"overlap of pieces {number - 1} and {number} {problem}")
    return joined, tuple(objections)


def _joined(joined: str, after: str, overlap: float, before: str) -> tuple[str, str]:
    first, second = joined.split("\n"), after.split("\n")
    one = [(index, _plain(line)) for index, line in enumerate(first) if line.strip()]
    other = [(index, _plain(line)) for index, line in enumerate(second) if line.strip()]
    before_lines = sum(bool(line.strip()) for line in before.split("\n"))
    expected = overlap * (min(before_lines, len(one)) + len(other)) / 2
    most = math.ceil(_SLACK * expected) + _SLACK_LINES
    one, other = one[-min(most, before_lines) :] if before_lines else [], other[:most]
    candidates = _alignments([line for _, line in one], [line for _, line in other], expected)
    found = [
        candidate
        for candidate in candidates
        if len(candidate.pairs) >= max(1, math.floor(_FOUND_SHARE * expected)) and candidate.score > 0
    ]
    if not found:
        return "\n\n".join(filter(None, (joined, after))), "not found: text may be doubled"
    best, *others = sorted(found, key=lambda candidate: -candidate.score)
    ambiguous = any(candidate.score > best.score - _AMBIGUOUS for candidate in others if candidate.used != best.used)
    upper, lower = best.pairs[len(best.pairs) // 2]
    text = "\n".join([*first[: one[upper][0] + 1], *second[other[lower][0] + 1 :]])
    return text, "is ambiguous: lines that are alike may be doubled or missing" if ambiguous else ""


def _plain(line: str) -> str:
    return " ".join(line.casefold().split())


def _alignments(one: Sequence[str], other: Sequence[str], expected: float) -> list[_Alignment]:
    """For each number of lines from the beginning of `other`: how they agree best with the end of `one`.

    An overlap alignment (Needleman and Wunsch with free ends): it begins at any line of `one`, and ends at its end.
    """
    rows, columns = len(one), len(other)
    if not rows or not columns:
        return []
    worth = [[_worth(a, b) for b in other] for a in one]
    score = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    origin: list[list[str]] = [[""] * (columns + 1) for _ in range(rows + 1)]
    for column in range(1, columns + 1):
        score[0][column] = _GAP * max(column - _CUT_LINES, 0)
        origin[0][column] = "other"
    for row in range(1, rows + 1):
        cut_off = row > rows - _CUT_LINES
        for column in range(1, columns + 1):
            score[row][column], origin[row][column] = max(
                (score[row - 1][column - 1] + worth[row - 1][column - 1], "both"),
                (score[row - 1][column] + (0.0 if cut_off else _GAP), "one"),
                (score[row][column - 1] + (0.0 if column <= _CUT_LINES else _GAP), "other"),
            )
    return [
        _Alignment(score[rows][used] - _DISTANCE * abs(used - expected), _pairs(origin, worth, rows, used), used)
        for used in range(1, columns + 1)
    ]


def _worth(one: str, other: str) -> float:
    """Above 0 for two lines that may be the same; below two gaps for lines that are not."""
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() ** _SHARPNESS < _LEAST_LIKENESS:
        return 3 * _GAP
    worth = matcher.ratio() ** _SHARPNESS - _LEAST_LIKENESS
    return worth if worth > 0 else 3 * _GAP


def _pairs(
    origin: Sequence[Sequence[str]], worth: Sequence[Sequence[float]], row: int, column: int
) -> tuple[tuple[int, int], ...]:
    pairs = []
    while column and row:
        step = origin[row][column]
        if step == "both" and worth[row - 1][column - 1] > 0:
            pairs.append((row - 1, column - 1))
        row -= step != "other"
        column -= step != "one"
    return tuple(reversed(pairs))

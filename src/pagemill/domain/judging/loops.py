"""Finds loops in a transcript: one pattern that the model repeats instead of going on or stopping.

Honest texts repeat themselves, too: refrains, tables of equal values, forms. What separates them was measured on
transcripts of LightOnOCR-2 and on honest texts: how often, how long, and where. The page's own text is a witness for
the defence. How well a text can be compressed separates nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pagemill.domain.judging.findings import Finding, Signal
from pagemill.domain.judging.units import is_tag, units, worth

_TIMES, _WORDS = 4, 40  # a line of a refrain stands three times on a page, a short row of a table more often
_BLOCK_TIMES, _BLOCK_WORDS = 3, 300  # whole paragraphs do not stand three times on a page
_SHARE = 0.25  # of the text's words: a loop goes on until a limit ends it, a table is followed by other text
_REST_WORDS = 10  # of a text that ends with its loop: a line, as the model adds when it ends a loop by itself
_EMPTY_TIMES, _BORDERS = (
    150,
    7,
)  # tags without text, or rows of seven `|`: no page has so many rows, no row so many cells
_FILLER = re.compile(r"[\W_]*(?:0[xX])?(?:[0.,:]*0|[fF]{2,})[\W_]*")
_FILLER_WORDS = 300  # zeros and their like: arrays, dumps and accounts are full of them
_LEADER = re.compile("[-.,:;_·•…‥–—*|=~+#'\"°/\\\\<>\u2500-\u25ff\u2610-\u2612]+")  # these fill lines and tables
_BLANK = re.compile(r"[_.…‥]{3,}|[☐☑☒□○]|_+[:;,]?")
_BOXES = {("[", "]"), ("(", ")"), ("|", "|"), ("<td>", "<td>"), ("<th>", "<th>")}  # empty ones
_FORM_TIMES = 12  # a block with room to write in: a page has as many as it has children, witnesses or items
_EXCERPT = 60  # characters of a pattern in a message
_DEFENCE = 0.7  # of the times that a word of the pattern stands in the transcript: the page's own text has it as often
_UNFINISHED = 10  # a tenth of the last pattern may be cut off
_GRAM = 16  # units that have to agree before a distance is tried; a power of two, below the 30 of the shortest loop
_FACTOR = 0x9E3779B97F4A7C15  # odd and large, as good as any


@dataclass(frozen=True, slots=True)
class Loop:
    """A pattern that is repeated without anything in between."""

    pattern: str
    times: int
    words: float  # in all repetitions together; an estimate where a script has no spaces
    share: float  # of the text's words, 0 to 1


@dataclass(frozen=True, slots=True)
class _Run:
    """Units of which each equals the one `period` units before, if there is one."""

    start: int
    end: int
    period: int

    @property
    def times(self) -> int:
        """How often the pattern stands; the last one may lack its end."""
        return (self.end - self.start + self.period // _UNFINISHED) // self.period


def find_loop(text: str, layer: str = "") -> Loop | None:
    """Return the largest loop of a transcript. Takes time in proportion to the length of the text.

    Args:
        text: The transcript.
        layer: The page's own text: what it repeats as often is no loop. Empty: not known.
    """
    found = units(text)
    if len(found) < 2 * _GRAM:
        return None
    kinds = {unit: kind for kind, unit in enumerate(dict.fromkeys(found))}
    numbers = np.fromiter(map(kinds.__getitem__, found), np.int64, len(found))
    worths = np.fromiter(map(worth, kinds), float, len(kinds))
    words = np.concatenate(([0.0], np.cumsum(worths[numbers])))  # up to each unit
    witness = _Witness(found, layer)
    best: Loop | None = None
    for run in _runs(numbers):
        repeated = float(words[run.end] - words[run.start])
        share = repeated / float(words[-1]) if repeated else (run.end - run.start) / len(found)
        is_placed = share >= _SHARE or words[-1] - words[run.end] <= _REST_WORDS
        pattern = found[run.start : run.start + run.period]
        if best and repeated <= best.words:
            continue
        if is_placed and _is_long(run.times, repeated, pattern) and not witness.has_all_of(pattern):
            best = Loop(" ".join(pattern), run.times, repeated, share)
    return best


def loop_finding(text: str, layer: str) -> Finding | None:
    """The finding that a transcript is a loop; see `find_loop`."""
    loop = find_loop(text, layer)
    if loop is None:
        return None
    pattern = loop.pattern if len(loop.pattern) <= _EXCERPT else f"{loop.pattern[:_EXCERPT]}…"
    return Finding(Signal.LOOP, loop.times, f"a loop: '{pattern}' {loop.times} times")


def _is_long(times: int, words: float, pattern: Sequence[str]) -> bool:
    if not words:
        if any(is_tag(unit) or not _LEADER.fullmatch(unit) for unit in pattern):
            return times >= _EMPTY_TIMES
        return times * pattern.count("|") >= _EMPTY_TIMES * _BORDERS
    if all(_FILLER.fullmatch(unit) for unit in pattern if worth(unit)):
        return words >= _FILLER_WORDS
    if _has_blanks(pattern):
        return times >= _FORM_TIMES and words >= _WORDS
    return (times >= _TIMES and words >= _WORDS) or (times >= _BLOCK_TIMES and words >= _BLOCK_WORDS)


def _has_blanks(pattern: Sequence[str]) -> bool:
    """Whether a pattern is a part of a form: it has lines, boxes or cells to be filled in."""
    if any(map(_BLANK.fullmatch, pattern)):
        return True
    return any(pair in _BOXES for pair in pairwise([*pattern, pattern[0]]))


def _runs(numbers: NDArray[np.int64]) -> Iterator[_Run]:
    """Yield the runs of a text, as a number for each unit, that repeat at least three times.

    A distance is tried where sixteen units in a row stood before, and kept as long as each unit equals the one at that
    distance. So a pattern may contain the same words several times, and each unit is looked at once.
    """
    before = _before(numbers)
    candidates = np.flatnonzero(before >= 0)
    units_there = numbers.tolist()
    end = 0
    for first, earlier in zip(candidates.tolist(), before[candidates].tolist(), strict=True):
        if first + _GRAM <= end:
            continue
        period, end = first - earlier, first + _GRAM
        while end < len(units_there) and units_there[end] == units_there[end - period]:
            end += 1
        run = _Run(earlier, end, period)
        if run.times >= _BLOCK_TIMES:
            yield run


def _before(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each sixteen units in a row, where the same ones stood before; -1: nowhere."""
    grams, length = numbers.astype(np.uint64), 1
    while length < _GRAM:  # a polynomial hash of so many units, which wraps around
        factor = np.uint64(pow(_FACTOR, length, 2**64))
        grams, length = grams[:-length] * factor + grams[length:], 2 * length
    order = np.argsort(grams, kind="stable")
    same = grams[order[1:]] == grams[order[:-1]]
    before = np.full(len(grams), -1, np.int64)
    before[order[1:][same]] = order[:-1][same]
    return before


class _Witness:
    """The page's own text, counted when it is first asked."""

    def __init__(self, found: Sequence[str], layer: str) -> None:
        self._found = found
        self._layer = layer
        self._counts: tuple[Counter[str], Counter[str]] | None = None

    def has_all_of(self, pattern: Sequence[str]) -> bool:
        """Whether it has the words of a pattern as often as the transcript, in whatever order."""
        wanted = {bare for unit in pattern if worth(unit) and (bare := _bare(unit))}
        if not self._layer or not wanted:
            return False
        if self._counts is None:
            self._counts = Counter(map(_bare, self._found)), Counter(map(_bare, units(self._layer)))
        here, there = self._counts
        return all(there[word] >= _DEFENCE * here[word] for word in wanted)


def _bare(unit: str) -> str:
    return unit.strip(".,;:!?|*_`#()[]'\"").casefold()

"""Joins lines to paragraphs: some line ends are the author's, others only the edge of the paper."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence

from pagemill.local_endpoint.boxes import Box

Line = Sequence[Box]  # from left to right; a detector may split a line

# A new paragraph: lines are further apart than is usual here, by this factor, ...
_PITCH_AGAINST_USUAL = 1.4
# ... or than any leading, in heights of the line; ...
_WIDEST_PITCH = 2.2
# ... or the type's size changes: a line is higher and its letters are wider, by these factors.
_HEIGHT_AGAINST_LAST = 1.2
_LETTER_AGAINST_LAST = 1.15

_ITEM = re.compile(r"([-*\N{EN DASH}\N{EM DASH}]|\(?\d{1,2}[.)]|\(?[a-z]\)) ")
_HYPHENATED = re.compile(r"[^\W\d_]{2}[-\N{SOFT HYPHEN}]$")


def join_lines(lines: Sequence[Line]) -> str:
    """Join the lines of one column, from the top.

    A blank line is put where the white between lines, or the size of the type, shows that a paragraph ends; a line end
    where the next word would still have fitted, as in an address. Other lines are joined with a space.
    """
    return "\n\n".join(_paragraph_text(paragraph) for paragraph in _paragraphs(lines))


def joined(boxes: Iterable[Box]) -> str:
    """The boxes' texts, one after the other; a word that was hyphenated at a line's end is joined."""
    text = ""
    for box in boxes:
        text = _append(text, box.text.strip())
    return text


def _paragraphs(lines: Sequence[Line]) -> Iterator[list[Line]]:
    pitches = [_middle(lower) - _middle(upper) for upper, lower in itertools.pairwise(lines)]
    paragraph = list(lines[:1])
    for number, line in enumerate(lines[1:]):
        # Of the lines near this one: a page may have several sizes of type.
        usual = statistics.median_low(pitches[max(0, number - 3) : number + 4])
        widest = min(_PITCH_AGAINST_USUAL * usual, _WIDEST_PITCH * _height(line))
        if pitches[number] > widest or _changes_size(lines[number], line):
            yield paragraph
            paragraph = []
        paragraph.append(line)
    if paragraph:
        yield paragraph


def _paragraph_text(lines: Sequence[Line]) -> str:
    edge = max(line[-1].right for line in lines)
    text = joined(lines[0])
    for last, line in itertools.pairwise(lines):
        more = joined(line)
        ended = _ITEM.match(more) or last[-1].right + _first_word_width(line) < edge
        text = f"{text}\n{more}" if ended else _append(text, more)
    return text


def _changes_size(last: Line, line: Line) -> bool:
    smaller, larger = sorted((last, line), key=_height)
    return _height(larger) > _HEIGHT_AGAINST_LAST * _height(smaller) and _letter_width(
        larger
    ) > _LETTER_AGAINST_LAST * _letter_width(smaller)


def _first_word_width(line: Line) -> float:
    """About how wide the first word is, with a space on either side."""
    return (len(line[0].text.split()[0]) + 2) * _letter_width(line)


def _letter_width(line: Line) -> float:
    return sum(box.width for box in line) / sum(len(box.text) for box in line)


def _middle(line: Line) -> float:
    return statistics.fmean(box.middle for box in line)


def _height(line: Line) -> float:
    return max(box.height for box in line)


def _append(text: str, more: str) -> str:
    if not text:
        return more
    if _HYPHENATED.search(text) and more[:1].islower():
        return text[:-1] + more
    return f"{text} {more}"

"""Finds the end of a transcript on another page: text that the endpoint has mixed up between pages in flight."""

from __future__ import annotations

from collections.abc import Sequence

from pagemill.domain.judging.findings import Finding, Signal
from pagemill.domain.judging.words import spaced, words_of

_FEWEST_WORDS = 18  # of a tail that stands on another page: fewer are a running foot or a phrase
_FEWEST_FOOT_WORDS = 80  # of a tail that ends the other page, too: fewer are a foot or a notice that both have
_LEFT_OUT = 3  # words behind the tail, which the page may have after all, such as its number
_MOST_SHARING = 1  # other pages: what several pages have is the document's
_LONGEST = 32_768  # characters, from the end: pages have less


def neighbour_finding(text: str, layer: str, in_flight: Sequence[str]) -> Finding | None:
    """The finding that the end of a transcript stands, word for word, on another page.

    Args:
        text: The transcript.
        layer: The page's own text: what it has belongs to the page.
        in_flight: The texts of the pages that were in flight at the time.
    """
    words = words_of(text[-_LONGEST:])
    texts = [other[-_LONGEST:] for other in in_flight]
    others = [spaced(other) for other in texts]
    for end in range(len(words), max(len(words) - _LEFT_OUT, _FEWEST_WORDS) - 1, -1):
        tail = f" {' '.join(words[end - _FEWEST_WORDS : end])} "
        sharing = [index for index, other in enumerate(others) if tail in other]
        if 0 < len(sharing) <= _MOST_SHARING and tail not in spaced(layer):
            if others[sharing[0]].count(tail) > 1 or spaced(text[-_LONGEST:]).count(tail) > 1:
                return None  # code and manuals say the same again and again
            before = others[sharing[0]].count(" ", 0, others[sharing[0]].index(tail) + 1) - 1
            return _finding(words[:end], words_of(texts[sharing[0]]), before + _FEWEST_WORDS)
    return None


def _finding(words: Sequence[str], other: Sequence[str], end: int) -> Finding | None:
    """The finding, unless both pages have the same foot.

    Args:
        words: The transcript, up to the end of what both have.
        other: The other page.
        end: Where that ends on the other page.
    """
    length = _FEWEST_WORDS
    while length < min(len(words), end) and words[-length - 1] == other[end - length - 1]:
        length += 1
    is_end = len(other) - end <= _LEFT_OUT
    if is_end and length < min(_FEWEST_FOOT_WORDS, len(words)):
        return None
    return Finding(Signal.NEIGHBOUR, length, f"its last {length} words stand on another page that was read at the time")

"""Compares a transcript with the page's own text: which words are missing, which are invented, which lines are swapped.

Markup, capitals, hyphens and the order of blocks are no difference. Numbers are: a wrong one is a missing and an extra
word. Takes time in proportion to the length of both texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pagemill.domain.judging.findings import Finding, Signal
from pagemill.domain.judging.moves import swapped_words
from pagemill.domain.judging.words import words_of
from pagemill.domain.wording import counted

_FEWEST_WORDS = 20  # of the layer: fewer are a stamp, a page number or a label
_LARGEST_DIFFERENCE = 0.03  # readings of good pages differ from their layers by less, damage that matters by more
_FEWEST_EDITS = 3  # words: on a short page, each is a large share
_EDGE_WORDS, _EDGE_SHARE = 12, 0.04  # of the layer, at each end: running heads and feet, which some models leave out
_PARTS = 3  # of a word that one text divides
_FIGURE_NUMBERS = 60  # of the axes of a chart, for which the transcript has an image
_SHORT = 3  # letters: what is left of a formula in a layer
_FORMULA = re.compile(r"\$\$[^$]*\$\$|\$[^$\n]*\$|\\\[[^\[\]]*\\\]|\\\([^()]*\\\)")
_IN_FORMULAS = re.compile(r"[\\^_={}]")
_LARGEST_DIVIDED = 0.3  # of the words are missing: more is not the work of hyphens


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a transcript agrees with the text layer of its page, in words."""

    layer: int  # words that the layer has
    missing: int  # of them, those that the transcript has not
    extra: int  # words that only the transcript has
    swapped: int  # words of lines that have changed places
    numbers: int = 0  # of the missing words, numbers for which the transcript has others

    @property
    def difference(self) -> float:
        """The share of words that differ, 0 to 1."""
        return min(self.edits / max(self.layer, self.layer - self.missing + self.extra, 1), 1.0)

    @property
    def edits(self) -> int:
        """Words that were left out, added, changed or moved. A changed word counts once, a changed number twice."""
        return max(self.missing, self.extra) + self.numbers + self.swapped

    @property
    def is_good(self) -> bool:
        """Whether the difference is one that readings of a good page have."""
        return self.edits < _FEWEST_EDITS or self.difference <= _LARGEST_DIFFERENCE


def agreement(text: str, layer: str) -> Agreement | None:
    """Compare a transcript with its page's own text; None if that has too few words to tell anything."""
    there = words_of(layer)
    if len(there) < _FEWEST_WORDS:
        return None
    here = words_of(text)
    counts_here, counts_there = Counter(here), Counter(there)
    missing, extra = counts_there - counts_here, counts_here - counts_there
    most = _LARGEST_DIVIDED * len(there)
    if missing and extra and missing.total() < most:
        _match_divided(there, missing, extra)
        _match_divided(here, extra, missing)
    numbers = min(_numbers_in(missing), _numbers_in(extra))
    left_out = _at_edge(there, missing) + _at_edge(there[::-1], missing) + _in_figures(text, missing, numbers)
    if formulas := _formulas(text):
        left_out += _short(missing, len(re.findall(r"[^\W_]+", formulas)))
        extra -= Counter(words_of(formulas))
    lost = max(missing.total() - left_out, 0)
    return Agreement(len(there), lost, extra.total(), swapped_words(here, there), numbers)


def agreement_finding(found: Agreement) -> Finding | None:
    """The finding that a transcript does not agree with its page's own text."""
    if found.is_good:
        return None
    parts = [
        f"{found.missing} of {counted(found.layer, 'word')} missing" if found.missing else "",
        f"{found.extra} not in it" if found.extra else "",
        f"{found.swapped} in lines that changed places" if found.swapped else "",
    ]
    words = f"differs from the page's own text: {', '.join(filter(None, parts))}"
    return Finding(Signal.LAYER, round(1 - found.difference, 3), words)


def _match_divided(divided: Sequence[str], parts_left: Counter[str], words_left: Counter[str]) -> None:
    """Take words off that one text has in parts, such as "exam- ple", and the other whole."""
    for index, word in enumerate(divided):
        if word not in parts_left:
            continue
        for size in range(2, _PARTS + 1):
            for start in range(max(index - size + 1, 0), index + 1):
                whole = "".join(divided[start : start + size])
                if words_left.get(whole):
                    words_left[whole] -= 1
                    for part in divided[start : start + size]:
                        parts_left[part] = max(parts_left[part] - 1, 0)


def _at_edge(words: Sequence[str], missing: Counter[str]) -> int:
    """The missing words that a text begins with."""
    count, most = 0, min(_EDGE_WORDS, int(_EDGE_SHARE * len(words)))
    while count < most and missing[words[count]]:
        count += 1
    return count


def _numbers_in(words: Counter[str]) -> int:
    return sum(times for word, times in words.items() if word[0].isdigit())


def _in_figures(text: str, missing: Counter[str], changed: int) -> int:
    """The missing numbers that may stand in the figures of a page, beside those that were changed."""
    return min(_numbers_in(missing) - changed, _FIGURE_NUMBERS * text.count("!["))


def _formulas(text: str) -> str:
    """The formulas of a transcript. Layers have their letters in another order, and in other words."""
    if "$" not in text and "\\" not in text:
        return ""
    return " ".join(found for found in _FORMULA.findall(text) if _IN_FORMULAS.search(found))  # others are sums of money


def _short(words: Counter[str], most: int) -> int:
    """The number of words that are short, but at most so many."""
    return min(sum(times for word, times in words.items() if len(word) <= _SHORT), most)

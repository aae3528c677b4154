"""What the pages of one document have in common: their scripts, and letters that follow each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Set as AbstractSet

from pagemill.domain.judging.characters import scripts_of
from pagemill.domain.judging.findings import Finding, Signal

_FEWEST_PAGES = 10  # that teach a document's letters
_FEWEST_TRIGRAMS = 120  # of a page: some twenty-five words
_SMALLEST_KNOWN = (
    0.4  # of a page's trigrams; measured: honest pages 0.62 to 0.99, another language 0.43 to 0.56, junk 0.1
)
_MOST_TRIGRAMS = 40_000  # that are remembered, some 4 MB; languages with an alphabet have 5,000 to 15,000
_LONGEST_LEARNT = 20_000  # characters of a page; more teach nothing new
_PAGES_OF_A_SCRIPT = 2  # a script on one page only may be the defect of that page

# Alphabets: three letters in a row say something of a language. Three ideographs or syllables hardly come again.
_RUN = re.compile("[a-zß-ɏ\u0370-\u03ff\u0400-\u052f\u0531-\u0587\u05d0-\u05ea\u0620-\u064a\u1e00-\u1fff]{3,}")


class DocumentLetters:
    """What is known of a document's letters from the pages that are read. Bounded in memory, for one document."""

    def __init__(self) -> None:
        self._trigrams: set[str] = set()
        self._scripts: Counter[str] = Counter()
        self._pages = 0

    def add(self, text: str) -> None:
        """Learn from the text of a page that is good enough to be kept."""
        text = text[:_LONGEST_LEARNT]
        self._scripts.update(scripts_of(text).keys())
        self._pages += 1
        if len(self._trigrams) < _MOST_TRIGRAMS:
            self._trigrams.update(_trigrams(text))

    @property
    def scripts(self) -> AbstractSet[str]:
        """The scripts of its pages; empty if too few pages are known."""
        if self._pages < _FEWEST_PAGES:
            return frozenset()
        return {script for script, pages in self._scripts.items() if pages >= _PAGES_OF_A_SCRIPT}

    def share_known(self, text: str) -> float | None:
        """The share of a page's trigrams that its document has, 0 to 1; None if too little is known of either."""
        if self._pages < _FEWEST_PAGES or len(self._trigrams) >= _MOST_TRIGRAMS:
            return None
        trigrams = _trigrams(text[:_LONGEST_LEARNT])
        if len(trigrams) < _FEWEST_TRIGRAMS:
            return None
        return sum(trigram in self._trigrams for trigram in trigrams) / len(trigrams)


def letters_finding(text: str, known: DocumentLetters) -> Finding | None:
    """The finding that a page is written in letters that its document does not write so."""
    share = known.share_known(text)
    if share is None or share >= _SMALLEST_KNOWN:
        return None
    return Finding(
        Signal.LETTERS, round(share, 3), f"only {share:.0%} of its letters follow each other as on other pages"
    )


def _trigrams(text: str) -> list[str]:
    return [run[start : start + 3] for run in _RUN.findall(text.casefold()) for start in range(len(run) - 2)]

"""Compares two texts whose paragraphs, table rows and other blocks may stand in another order.

Only the truth is cut into blocks. Each of them is looked for anywhere in the text: first those that stand there word
for word, then the others, the longest first. Each word of the text is used once. So it does not matter where the text
itself begins a paragraph.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Levenshtein

from pagemill.domain.evaluation.texts import edits

_MOST_PLACES = 32  # words that occur more often say little about where a block stands
_LARGEST_PRODUCT = 10**8  # of the words of a block and of its place, to find exactly where it begins and ends
_LONGEST_FITTED = 2_000  # words of a block whose ends are tried one by one: no paragraph has more
_STEPS = [(step, 0) for step in (-1, 1, -2, 2, -3, 3, -8)] + [(0, step) for step in (1, -1, 2, -2, 3, -3, 8)]  # words
_FALLBACK_PLACES = 256  # of the rarest word, in blocks that have only such words


def block_edits(text: str, blocks: Sequence[str]) -> int:
    """Edits within the blocks, wherever they stand, and the characters of the text that no block stands for.

    Args:
        text: What was read, without markup.
        blocks: The truth, each block without markup.
    """
    places = _Places(text.split())
    longest_first = sorted((block.split() for block in blocks), key=len, reverse=True)
    total = 0
    for words in [words for words in longest_first if not places.take_exactly(words)]:
        block = " ".join(words)
        begin, end = places.best_for(words)
        apart = edits(" ".join(places.words[begin:end]), block) if begin < end else len(block)
        if apart < len(block):
            places.take(begin, end)
        total += min(apart, len(block))
    return total + places.characters_left()


class _Places:
    """The words of a text, and which of them are taken by a block."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self._taken = bytearray(len(words))
        self._where: dict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(words):
            self._where[word].append(place)
        self._text = f" {' '.join(words)} "
        self._starts = list(itertools.accumulate((len(word) + 1 for word in words), initial=0))
        self._searched: dict[str, int] = {}  # how far, by block

    def take_exactly(self, block: Sequence[str]) -> bool:
        """Take the first place where a block stands word for word and nothing is taken; return whether there is one."""
        wanted = f" {' '.join(block)} "
        found = self._searched.get(wanted, -1)
        while (found := self._text.find(wanted, found + 1)) >= 0:
            begin = bisect_left(self._starts, found)
            if self._taken.find(1, begin, begin + len(block)) < 0:
                self.take(begin, begin + len(block))
                break
        self._searched[wanted] = found if found >= 0 else len(self._text)
        return found >= 0

    def take(self, begin: int, end: int) -> None:
        """Let no other block have these words."""
        self._taken[begin:end] = b"\1" * (end - begin)

    def characters_left(self) -> int:
        """The characters of the words that no block has, with a blank between neighbours."""
        left = [(place, len(word)) for place, word in enumerate(self.words) if not self._taken[place]]
        neighbours = sum(one[0] + 1 == next_[0] for one, next_ in itertools.pairwise(left))
        return sum(length for _, length in left) + neighbours

    def best_for(self, block: Sequence[str]) -> tuple[int, int]:
        """Where a block stands: the begin and end of words that are not taken; an empty range if nowhere."""
        hits = sorted(self._hits(block))
        if not hits:
            return 0, 0
        begin, end = self._densest(hits, block)
        earliest, latest = self._widened(begin, end, len(block))
        if len(block) * (latest - earliest) > _LARGEST_PRODUCT:
            return earliest, latest
        if len(block) > _LONGEST_FITTED:
            return self._trimmed(earliest, latest, block)
        return self._fitted(begin, end, earliest, latest, " ".join(block))

    def _hits(self, block: Sequence[str]) -> Iterator[int]:
        """Places of the block's words that are not taken."""
        known = {word: self._where[word] for word in set(block) if word in self._where}
        if not known:
            return
        telling = [places for places in known.values() if len(places) <= _MOST_PLACES]
        if not any(not self._taken[place] for places in telling for place in places):
            rarest = min(known.values(), key=len)
            telling = [[place for place in rarest if not self._taken[place]][:_FALLBACK_PLACES]]
        for places in telling:
            yield from (place for place in places if not self._taken[place])

    def _densest(self, hits: Sequence[int], block: Sequence[str]) -> tuple[int, int]:
        """The first and the last hit of the window, as long as the block, that has most of its words."""
        allowed = Counter(block)
        seen: Counter[str] = Counter()
        best, found, useful, first = (0, 0), -1, 0, 0
        for last, place in enumerate(hits):
            cut = last > 0 and self._taken.find(1, hits[last - 1], place) >= 0
            while first < last and (cut or hits[first] <= place - len(block)):
                left = self.words[hits[first]]
                useful -= seen[left] <= allowed[left]
                seen[left] -= 1
                first += 1
            word = self.words[place]
            seen[word] += 1
            useful += seen[word] <= allowed[word]
            if useful > found:
                best, found = (hits[first], place + 1), useful
        return best

    def _widened(self, begin: int, end: int, length: int) -> tuple[int, int]:
        """A window with room for a block of this length around the hits; it ends at words that are taken."""
        room = max(length - (end - begin), 0) + length // 4 + 2
        earliest, latest = max(begin - room, 0), min(end + room, len(self.words))
        before, after = self._taken.rfind(1, earliest, begin), self._taken.find(1, end, latest)
        return before + 1 if before >= 0 else earliest, after if after >= 0 else latest

    def _trimmed(self, begin: int, end: int, block: Sequence[str]) -> tuple[int, int]:
        """The window without the words before and after the block."""
        steps = Levenshtein.opcodes(self.words[begin:end], block)
        if steps and steps[-1].tag == "delete":
            end = begin + steps[-1].src_start
        if steps and steps[0].tag == "delete":
            begin += steps[0].src_end
        return begin, max(end, begin)

    def _fitted(self, begin: int, end: int, earliest: int, latest: int, block: str) -> tuple[int, int]:
        """The window that is most like a block: words are added to the hits and taken away at both ends.

        So it does not matter if one text divides words that the other one joins.
        """
        best = edits(" ".join(self.words[begin:end]), block)
        fits = False
        while not fits:
            fits = True
            for first, last in _STEPS:
                if not earliest <= begin + first < end + last <= latest:
                    continue
                apart = edits(" ".join(self.words[begin + first : end + last]), block)
                if apart < best:
                    best, begin, end, fits = apart, begin + first, end + last, False
        return begin, end

"""Cuts a text into units that can repeat: words and tags, or characters where there are no words."""

from __future__ import annotations

import re

_LONGEST_WORD = 48  # characters: longer ones, as a model writes that repeats a syllable, are cut into characters

# Scripts that put no space between words: Japanese, Chinese; Thai, Lao, Tibetan, Burmese, Khmer, Tai.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
_SYLLABLES = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf"
_UNSPACED = re.compile(f"([{_IDEOGRAPHS}{_SYLLABLES}])")
_SYLLABLE = re.compile(f"[{_SYLLABLES}]")
_ATTRIBUTES = re.compile(r"<([a-zA-Z]\w*)\s[^<>]*>")
_ENDS = ("</td>", "</th>", "</tr>")  # which say nothing beside the tags that begin them
_SAYS = re.compile(r"[^\W_]")

# What a unit is worth in words.
_IDEOGRAPH_WORDS, _SYLLABLE_WORDS, _CHARACTER_WORDS = 0.5, 0.25, 0.2


def units(text: str) -> list[str]:
    """The units of a text in their order. Ends of cells and attributes of tags are left out."""
    if "<" in text:
        text = _ATTRIBUTES.sub(r"<\1>", text)
        for end in _ENDS:
            text = text.replace(end, " ")
        text = text.replace("<", " <").replace(">", "> ")
    if not text.isascii():
        text = " ".join(_UNSPACED.split(text))  # several times as fast as a substitution
    words = text.split()
    if max(map(len, words), default=0) <= _LONGEST_WORD:
        return words
    return [unit for word in words for unit in (word if len(word) > _LONGEST_WORD else (word,))]


def is_tag(unit: str) -> bool:
    """Whether a unit is a tag of HTML."""
    return unit[0] == "<" and unit[-1] == ">"


def worth(unit: str) -> float:
    """What a unit is worth in words: nothing if it is a tag, a border or a leader, which say nothing."""
    if unit[0] == "<" or not _SAYS.search(unit):
        return 0.0
    if len(unit) > 1:
        return 1.0
    if not _UNSPACED.match(unit):
        return _CHARACTER_WORDS
    return _SYLLABLE_WORDS if _SYLLABLE.match(unit) else _IDEOGRAPH_WORDS

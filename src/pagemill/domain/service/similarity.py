"""Similarity of two texts, regardless of their markup. All of it takes time in proportion to the text."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_IMAGE_OR_LINK = re.compile(r"(!?)\[([^\[\]\n]*)\]\([^()\n]*\)")
_RULED = re.compile(r"^[ \t|:*_=-]+$", re.MULTILINE)  # a line between the rows of a table, under a heading, or across
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|[-*+][ \t]+|>[ \t]?)", re.MULTILINE)
_MARK = re.compile(r"\\([!-/:-@\[-`{-~])|\\$|`+|\*+|_+", re.MULTILINE)  # LightOnOCR writes `\$` for a dollar
_SAME = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "|": " "})


def plain(text: str) -> str:
    """Text without markup, with one kind of quote, dash and white space."""
    bare = _TAG.sub(" ", _IMAGE_OR_LINK.sub(_linked, _without_comments(text)))
    unmarked = _MARK.sub(_unmarked, _LINE_MARK.sub("", _RULED.sub("", bare)))
    bullets = html.unescape(unmarked).translate(_SAME).replace("•", " ").replace("\f", " ")
    return " ".join(unicodedata.normalize("NFKC", bullets).split())


def word_f1(text: str, truth: str) -> float:
    """F1 score, 0 to 1: the harmonic mean of precision and recall over words, regardless of their order."""
    found, wanted = Counter(text.split()), Counter(truth.split())
    return 2 * (found & wanted).total() / max(found.total() + wanted.total(), 1)


def _without_comments(text: str) -> str:
    """Text without HTML comments. What begins one that never ends is text."""
    kept, start = [], 0
    while (begin := text.find("<!--", start)) >= 0 and (end := text.find("-->", begin + 4)) >= 0:
        kept += [text[start:begin], " "]
        start = end + 3
    return "".join([*kept, text[start:]])


def _linked(match: re.Match[str]) -> str:
    """The text of a link; nothing for an image, whose name is not on the page."""
    return " " if match[1] else match[2]


def _unmarked(match: re.Match[str]) -> str:
    """What an escape stands for; a single `*` or `_` between words or between blanks; nothing for other marks."""
    if match[1]:
        return match[1]
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    inside = before.isalnum() and after.isalnum()
    apart = before.isspace() and after.isspace()
    return match[0] if match[0] in {"*", "_"} and (inside or apart) else ""

"""Similarity of two texts, regardless of their markup."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^>]*>")
_MARKDOWN = re.compile(r"^\s{0,3}(#{1,6}\s+|[-*+]\s+|>\s?)|\*\*|__|`|^\s*\|?[\s:|-]*\|[\s:|-]*$", re.MULTILINE)
_ESCAPED = re.compile(r"\\([$*_#|~\[\]()])")  # LightOnOCR writes `\$` for a dollar
_SAME = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "|": " "})


def plain(text: str) -> str:
    """Text without markup, with one kind of quote, dash and white space."""
    bare = _ESCAPED.sub(r"\1", _MARKDOWN.sub(" ", _TAG.sub(" ", _COMMENT.sub(" ", text))))
    bullets = html.unescape(bare).translate(_SAME).replace("•", " ").replace("\f", " ")
    return " ".join(unicodedata.normalize("NFKC", bullets).split())


def word_f1(text: str, truth: str) -> float:
    """F1 score, 0 to 1: the harmonic mean of precision and recall over words, regardless of their order."""
    found, wanted = Counter(text.split()), Counter(truth.split())
    return 2 * (found & wanted).total() / max(found.total() + wanted.total(), 1)

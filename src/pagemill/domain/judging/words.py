"""The words of a text, as they can be compared with those of another reading of the same page."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

# Each pattern stops at the next character that it begins with, so that none takes more than one look at a text.
_TAG = re.compile(r"<[a-zA-Z/!][^<>]*>")
_INLINE_TAG = re.compile(r"</?(?:b|i|u|em|strong|sub|sup|small|span|s)(?:\s[^<>]*)?>", re.IGNORECASE)
_TARGET = re.compile(r"!\[[^\[\]\n]*\]\([^()\[\]\n]*\)|(?<=\])\([^()\[\]\s]*\)")
_COMMAND = re.compile(r"\\(?:begin|end)\{[a-z*]*\}|\\[a-zA-Z]+")
_HYPHEN = re.compile("[-\u2010\u00ad\u0002\ufffe](?<=[^\\W\\d_].)[ \t]*\r?\n[ \t]*(?=[^\\W\\d_])")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\u0002\ufffe]")

# Without spaces between words, each character is taken for one: Japanese, Chinese; Thai to Burmese, Khmer, Tai.
_SINGLE = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_HAS_SINGLE = re.compile(f"[{_SINGLE}]")
_NUMBER = r"\d+(?:[.,:'’]\d+)*"
_WORD = re.compile(rf"{_NUMBER}|[{_SINGLE}]|[^\W\d_{_SINGLE}]{{2,}}")
_SPACED_WORD = re.compile(rf"{_NUMBER}|[^\W\d_]{{2,}}")
_ASCII_WORD = re.compile(rf"{_NUMBER}|[a-z]{{2,}}")
_LONG = 32_768  # characters: the words of longer texts take too much memory to keep many of them


def words_of(text: str) -> tuple[str, ...]:
    """The words and numbers of a text in their order, without markup, capitals and ligatures.

    A word that is divided at the end of a line is one word. Letters alone are left out: formulas are full of them,
    and every reading puts them elsewhere. The words of the latest texts are remembered: pages in flight are compared
    with each other.
    """
    return _words(text) if len(text) <= _LONG else _words_of_long(text)


@lru_cache(maxsize=64)
def spaced(text: str) -> str:
    """The words of a text with a space before and after each, to look for words in a row."""
    return f" {' '.join(words_of(text))} "


@lru_cache(maxsize=64)
def _words(text: str) -> tuple[str, ...]:
    return _found(text)


@lru_cache(maxsize=2)
def _words_of_long(text: str) -> tuple[str, ...]:
    return _found(text)


def _found(text: str) -> tuple[str, ...]:
    if "<" in text:
        text = _TAG.sub(" ", _INLINE_TAG.sub("", text))
    if "](" in text:
        text = _TARGET.sub(" ", text)
    if "\\" in text:
        text = _COMMAND.sub(" ", text)
    if "&" in text:
        text = html.unescape(text)
    text = _HYPHEN.sub("", text)
    if text.isascii():
        return tuple(_ASCII_WORD.findall(text.lower()))
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()
    return tuple((_WORD if _HAS_SINGLE.search(text) else _SPACED_WORD).findall(text))

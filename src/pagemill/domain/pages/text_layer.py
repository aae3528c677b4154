"""Judges the embedded text of a page: whether it is the writing of a language, or letters that are valid but wrong.

A text layer may hold old OCR with digits for letters, letters of another font's encoding, or letters one by one. No
dictionary is used: the signs below hold for all languages in Latin script; other scripts are judged by fewer of them.
When in doubt, a page is sent to the model.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from operator import add

# Pairs of letters that are common in at least one of English, German, French, Spanish, Italian, Portuguese, Dutch,
# Polish, Czech, Swedish, Finnish, Hungarian, Turkish and Latin; accents are left out.
_COMMON_PAIRS = frozenset(
    (
        "th he in er an re nd on en at ou ed ha to or it is hi es ng st ar te se me sa le ve al as ne ra ti "
        "ro ic de li ri io ch ei ie un ge be da el la qu ue ur em nt ta co ma ca lo si il us na ll ss om et "
        "di do os ad ci pa po pr tr ec ce ns fo ly wa wi no so of we ow wh ho sh ee oo ea rs ts ct ac ai am "
        "ap ag ab av ef ep ev ex id ig im ir iv ki ko ku ka ke kt ld lu lt mi mo mp mu ni nu nn oc od og ol "
        "op ot ov pe pi pl pu rd rt ru rm sc sk sl su sp sz ty tt uc ul um up ut va vi vo wo ye za ze zi zy "
        "cz rz ej ak ok ek eg aj oj ij aa oe au eu ui uw ja je jo ji ny gy by my ck rk rg rn rl rr mm pp ff "
        "fi fe fa fr gr br dr kr bl gl cl fl sw tz nz lk ks hn hr ht ga go gu gi ba bo bi bu fu ob ub ib eb "
        "ah oh uh ih eh yl ym yn yk yt yo ya dy ry iy uy ey az oz ez iz uz sy du hu tu yi ay"
    ).split()
)
_FEWEST_PAIRS = 30  # fewer prove nothing
_SMALLEST_COMMON_SHARE = 0.68  # of all pairs; see the measured texts in the tests
_LARGEST_MIXED_SHARE = 0.08  # of words with digits inside them, or with letters of two scripts
_LARGEST_SINGLE_SHARE = 0.8  # of words that are one letter: text that is spaced letter by letter
_LARGEST_STRANGE_SHARE = 0.04  # of signs that stand between letters and are neither hyphen nor apostrophe
_LONGEST_LATIN_WORD = 45

_WORD = re.compile(r"\w+")
_OTHER = re.compile(r"[^a-z]+")
_DIGIT_INSIDE = re.compile(r"[^\W\d_]\d+[^\W\d_]|\b0[a-z]|\b[a-z]+0[a-z]*\b")
_STRANGE_INSIDE = re.compile(r"[^\w\s'’\-‐‑.,/&@:_|](?<=[^\W\d_].)(?=[^\W\d_])")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "HEBREW", "ARABIC")


def reads_like_language(text: str) -> bool:
    """Whether nothing speaks against a text. Text without letters, such as a table of numbers, is accepted."""
    words = Counter(_WORD.findall(text))  # each different word is looked at once
    if not words:
        return False
    written = {word: times for word, times in words.items() if any(map(str.isalpha, word))}
    if not written:
        return True
    mixed = sum(times for word, times in written.items() if _is_mixed(word))
    if mixed > max(1, _LARGEST_MIXED_SHARE * sum(written.values())):
        return False
    if _strange_share(text) > _LARGEST_STRANGE_SHARE:
        return False
    latin: Counter[str] = Counter()
    for word, times in written.items():
        if plain := _plain_latin(word):
            latin[plain] += times
    return not latin or (_are_whole_words(latin) and _has_common_pairs(latin))


def _is_mixed(word: str) -> bool:
    if not word.isalpha() and _DIGIT_INSIDE.search(word):
        return True
    return not word.isascii() and len({script for letter in word if (script := _script(letter))}) > 1


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    if letter.isascii():
        return "LATIN" if letter.isalpha() else ""
    name = unicodedata.name(letter, "").partition(" ")[0]
    return name if name in _SCRIPTS else ""


def _strange_share(text: str) -> float:
    letters = sum(times for character, times in Counter(text).items() if character.isalpha())
    return len(_STRANGE_INSIDE.findall(text)) / letters if letters else 0.0


def _plain_latin(word: str) -> str:
    """A word in small Latin letters without accents; empty for words in other scripts."""
    return _OTHER.sub("", (word if word.isascii() else unicodedata.normalize("NFKD", word)).lower())


def _are_whole_words(latin: Counter[str]) -> bool:
    count = latin.total()
    singles = sum(times for word, times in latin.items() if len(word) == 1)
    longest = max(map(len, latin))
    return longest <= _LONGEST_LATIN_WORD and (count < _FEWEST_PAIRS or singles <= _LARGEST_SINGLE_SHARE * count)


def _has_common_pairs(latin: Counter[str]) -> bool:
    total = common = 0
    for word, times in latin.items():
        total += times * (len(word) - 1)
        common += times * sum(map(_COMMON_PAIRS.__contains__, map(add, word, word[1:])))
    return total < _FEWEST_PAIRS or common >= _SMALLEST_COMMON_SHARE * total

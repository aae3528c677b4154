"""Finds characters that are not the page's: of another script, mixed with others that look alike, or never text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Set as AbstractSet
from functools import lru_cache

from pagemill.domain.judging.findings import Finding, Signal
from pagemill.domain.wording import counted

_FEWEST_LETTERS = 10  # of a foreign script: fewer are signs, units or a name
_SMALLEST_SHARE = 0.02  # of the letters: less is a quotation
_FEWEST_KNOWN = 200  # letters of a layer: fewer do not show which scripts a page has
_FEWEST_MIXED = 2  # words; one may be a name or a sign

_GREEK_WORD = 3  # letters in a row: fewer are signs of mathematics
_LOOK_ALIKE = re.compile(
    # Latin beside Cyrillic, or beside the Greek letters that look like Latin ones: in no language one word.
    r"[A-Za-zÀ-ɏ][\u0400-\u052f]|[\u0400-\u052f][A-Za-zÀ-ɏ]"
    r"|[A-Za-z][ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοινυρχ](?=[A-Za-z])|[\u0400-\u052f][\u0370-\u03ff]|[\u0370-\u03ff][\u0400-\u052f]"
)
_GREEK_OR_CYRILLIC = re.compile("[\u0370-\u052f]")
_WORD = re.compile(r"[^\W\d_]+")
_GREEK = re.compile(f"[\u0370-\u03ff\u1f00-\u1fff]{{{_GREEK_WORD},}}")

# Tabs and ends of lines are text.
_NEVER_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]+")


def cleaned(text: str) -> tuple[str, Finding | None]:
    """A transcript without what is never text, and the finding that there was some."""
    clean = _NEVER_TEXT.sub("", text)
    removed = len(text) - len(clean)
    if not removed:
        return text, None
    words = (
        f"{counted(removed, 'control character or lone surrogate', 'control characters or lone surrogates')} removed"
    )
    return clean, Finding(Signal.CONTROLS, removed, words)


def script_finding(text: str, layer: str, known: AbstractSet[str]) -> Finding | None:
    """The finding that a transcript has letters of a script that neither its page nor its document has.

    Args:
        text: The transcript.
        layer: The page's own text. If it is long enough, it alone decides.
        known: Scripts of the document's other pages; empty: not known.
    """
    if text.isascii():
        return None
    of_layer = scripts_of(layer) if layer else Counter[str]()
    expected = set(of_layer) if of_layer.total() >= _FEWEST_KNOWN else set(known)
    found = scripts_of(text)
    for script, letters in found.most_common():
        if expected and script not in expected and letters >= max(_FEWEST_LETTERS, _SMALLEST_SHARE * found.total()):
            name = script.capitalize()
            words = f"{counted(letters, 'letter')} of another script than the page's: {name}"
            return Finding(Signal.SCRIPT, round(letters / found.total(), 3), words)
    return None


def mixed_finding(text: str, layer: str) -> Finding | None:
    """The finding that words mix scripts, as when Cyrillic letters stand for Latin ones."""
    if text.isascii() or not _GREEK_OR_CYRILLIC.search(text):
        return None
    mixed = [word for word in _WORD.findall(text) if not word.isascii() and _LOOK_ALIKE.search(word)]
    mixed = [word for word in mixed if word not in layer]
    if len(mixed) < _FEWEST_MIXED:
        return None
    words = f"{counted(len(mixed), 'word')} of mixed scripts, such as '{mixed[0][:40]}'"
    return Finding(Signal.MIXED, len(mixed), words)


def scripts_of(text: str) -> Counter[str]:
    """The letters of each script in a text. Greek letters alone are signs of mathematics."""
    if text.isascii():
        return Counter({"LATIN": sum(map(str.isalpha, text))}) if text else Counter()
    found: Counter[str] = Counter()
    for character, times in Counter(text).items():
        if script := _script(character):
            found[script] += times
    if "GREEK" in found:
        found["GREEK"] = sum(map(len, _GREEK.findall(text)))
    return +found


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """The script of a letter, as its name begins; empty if it is none. Those of one language are one script."""
    if not letter.isalpha():
        return ""
    name = unicodedata.name(letter, "").replace("FULLWIDTH ", "").replace("HALFWIDTH ", "").partition(" ")[0]
    if name in {"CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "KATAKANA-HIRAGANA"}:
        return "CHINESE OR JAPANESE"
    is_sign = name in {
        "MATHEMATICAL",
        "MODIFIER",
        "FEMININE",
        "MASCULINE",
        "MICRO",
        "DOUBLE-STRUCK",
        "SCRIPT",
        "BLACK-LETTER",
    }
    return "" if is_sign or unicodedata.category(letter) == "Lm" else name

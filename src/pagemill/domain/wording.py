"""Counts and messages, for everything that people read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

# Printable by their category, and yet nothing is seen of them: fillers, joiners and variation selectors.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 page", "0 pages", "2 pages".

    Args:
        number: How many.
        noun: The singular.
        plural: Where it is not the singular with an s.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def said(error: BaseException) -> str:
    """What an error says, in one line; its kind if it says nothing, as a connection that breaks."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def passed_over(images: Mapping[str, int]) -> str:
    """What a source has beside PDFs: "3 images not read (2 .jpg, 1 .tif)"; empty if there is none.

    Args:
        images: How many, by ending.
    """
    if not any(images.values()):
        return ""
    kinds = ", ".join(f"{count} {without_controls(ending)}" for ending, count in sorted(images.items()))
    return f"{counted(sum(images.values()), 'image')} not read ({kinds})"


def encodable(text: str) -> str:
    """A message that can be written as UTF-8: a lone surrogate, which is no character, becomes its escape in hex."""
    return text.encode("utf-8", "backslashreplace").decode()


def shown(name: str) -> str:
    """A name as people can read it and tell it from others.

    With characters that nobody sees, or that move the cursor or turn the direction of writing, it is quoted, and they
    are escaped.
    """
    if not _UNSEEN.search(name) and name.isprintable() and name == name.strip() and not name.startswith("'"):
        return name
    return f"'{''.join(map(_escaped, name))}'"


def without_controls(text: str) -> str:
    """A text for a terminal: control characters in it, of names or answers, are escaped; line ends are kept."""
    return "".join(
        character if character in "\n\t" or _is_safe(character) else _escaped(character) for character in text
    )


def _escaped(character: str) -> str:
    if character != "\\" and character.isprintable() and not _UNSEEN.match(character):
        return character
    return character.encode("unicode_escape").decode()


def _is_safe(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def duration(seconds: float) -> str:
    """A duration as people say it: 45 s, 3 min, 2 h 5 min. What is left over is rounded."""
    whole = round(seconds)
    if whole < 90:  # noqa: PLR2004 -- a minute and a half is more exact in seconds
        return f"{whole} s"
    minutes = round(whole / 60)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"

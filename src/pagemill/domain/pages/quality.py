"""What is wrong with a text: judges, touches nothing."""

from __future__ import annotations

import unicodedata

from pagemill.domain.pages.model import Transcript

# Part of the recipe: a transcript accepted by an older guard may be refused by a newer one.
GUARD_VERSION = 1

# 1.3 % of 385 measured text layers held more garbage than this (shared measurements, "Cheap page analysis").
_LARGEST_GARBAGE_SHARE = 0.05
_FEWEST_READABLE_CHARACTERS = 16  # less is a stamp or a page number over a scan


def objections(transcript: Transcript) -> tuple[str, ...]:
    """List what is wrong with the transcript of a page that has ink on it; empty means nothing is."""
    found = []
    if transcript.finish_reason != "stop":
        found.append(f"cut off: finish_reason is '{transcript.finish_reason}'")
    if not transcript.markdown.strip():
        found.append("empty although the page has ink")
    return tuple(found)


def text_layer_is_usable(text: str) -> bool:
    """Tell whether embedded text can stand for the page: enough of it, and hardly any garbage."""
    visible = [character for character in text if not character.isspace()]
    if len(visible) < _FEWEST_READABLE_CHARACTERS:
        return False
    garbage = sum(_is_garbage(character) for character in visible)
    return garbage <= _LARGEST_GARBAGE_SHARE * len(visible)


def _is_garbage(character: str) -> bool:
    # Unassigned, private use, surrogates and controls: what broken ToUnicode maps yield.
    return character == "\N{REPLACEMENT CHARACTER}" or unicodedata.category(character) in {"Cc", "Cn", "Co", "Cs"}

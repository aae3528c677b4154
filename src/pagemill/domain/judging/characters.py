"""Removes from a transcript what is never text: control characters, lone surrogates and code points of no character."""

from __future__ import annotations

import re

from pagemill.domain.judging.findings import Finding, Signal
from pagemill.domain.wording import counted

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

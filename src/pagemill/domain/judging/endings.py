"""Tells whether an answer ended before its page did, or did not begin."""

from __future__ import annotations

import re

from pagemill.domain.judging.findings import Finding, Signal

# Models fence code with backticks; tildes underline headings in texts.
_FENCE = re.compile(r"^[ \t]{0,3}```+[ \t]*(\S?)", re.MULTILINE)
_TABLE, _TABLE_END = re.compile(r"<table\b", re.IGNORECASE), re.compile(r"</table\s*>", re.IGNORECASE)


def ending_finding(text: str, finish_reason: str, layer: str) -> Finding | None:
    """The finding that a transcript is cut off: by the endpoint, or inside of what it did not close.

    Args:
        text: The transcript.
        finish_reason: The endpoint's.
        layer: The page's own text: fences and tags that it shows are text, not markup.
    """
    if finish_reason != "stop":
        return Finding(Signal.CUT_OFF, 1, f"cut off: finish_reason is '{finish_reason}'")
    if _ends_in_code(text) and "```" not in layer:
        return Finding(Signal.CUT_OFF, 1, "cut off: the text ends within code")
    if _ends_in_table(text) and "<table" not in layer.lower():
        return Finding(Signal.CUT_OFF, 1, "cut off: the text ends within a table")
    return None


def emptiness_finding(text: str) -> Finding | None:
    """The finding that nothing was read of a page with ink."""
    return None if text.strip() else Finding(Signal.EMPTY, 1, "empty although the page has ink")


def _ends_in_code(text: str) -> bool:
    """Whether the last fence begins code. One without a language does if no code is open and text follows it."""
    opened, end = False, 0
    for fence in _FENCE.finditer(text):
        opened, end = bool(fence[1]) or not opened, fence.end()
    return opened and bool(text[end:].strip())


def _ends_in_table(text: str) -> bool:
    """Whether the last table has no end: no closing tag, or a row of a table in Markdown without its last border."""
    begins = [found.start() for found in _TABLE.finditer(text)]
    ends = [found.start() for found in _TABLE_END.finditer(text)]
    if begins and (not ends or ends[-1] < begins[-1]):
        return True
    lines = text.rstrip().rsplit("\n", 2)[-2:]
    above, last = lines[0].strip(), lines[-1].strip()
    return len(lines) == 2 and _is_row(above) and last.startswith("|") and not last.endswith("|")  # noqa: PLR2004 -- of two lines


def _is_row(line: str) -> bool:
    return len(line) > 1 and line.startswith("|") and line.endswith("|")

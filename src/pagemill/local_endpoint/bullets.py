"""Bullets: a detector finds a mark beside the text, Markdown needs `- ` before it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pagemill.local_endpoint.boxes import Box

_MARKS = (
    "\N{BULLET}\N{MIDDLE DOT}\N{BLACK SQUARE}\N{BLACK SMALL SQUARE}\N{BLACK CIRCLE}\N{WHITE CIRCLE}\N{WHITE BULLET}"
)
_LEADING_MARK = re.compile(rf"\s*[{_MARKS}]\s*")

# How far a mark may be from its text, in heights of the text.
_FURTHEST = 2.5


def with_bullets(boxes: Sequence[Box]) -> list[Box]:
    """The same texts, each bullet as `- ` in the box of the text that follows it."""
    texts = [box for box in boxes if not _LEADING_MARK.fullmatch(box.text)]
    for mark in boxes:
        if _LEADING_MARK.fullmatch(mark.text):
            _attach(mark, texts)
    return [replace(box, text=_LEADING_MARK.sub("- ", box.text, count=1)) if _marked(box) else box for box in texts]


def _marked(box: Box) -> bool:
    return bool(_LEADING_MARK.match(box.text))


def _attach(mark: Box, texts: list[Box]) -> None:
    """Put the mark before its text; if there is none beside it, keep the mark as a text."""
    for place, text in enumerate(texts):
        distance = text.left - mark.right
        if abs(text.middle - mark.middle) < text.height / 2 and -text.height < distance < _FURTHEST * text.height:
            texts[place] = replace(text, left=min(mark.left, text.left), text=mark.text.strip() + text.text)
            return
    texts.append(mark)

"""Objects of a PDF as the second reader sees them: inherited entries, names in resources, contents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pikepdf

from pagemill.pdf.geometry import LETTER, Box, intersection, is_empty, read_box

_DEEPEST_TREE = 64
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
Resources = tuple[Any, ...]  # resource dictionaries, the one of the innermost form first


def inherited(page: pikepdf.Dictionary, key: str) -> Any:
    """An entry of a page, or of the nearest node above it that has one; None if none has."""
    node: Any = page
    for _ in range(_DEEPEST_TREE):
        if not isinstance(node, pikepdf.Dictionary):
            return None
        value = node.get(key)
        if value is not None:
            return value
        node = node.get("/Parent")
    return None


def visible_box(page: pikepdf.Dictionary) -> Box:
    """What is shown of a page: its crop box inside its media box."""
    media = read_box(inherited(page, "/MediaBox")) or LETTER
    crop = read_box(inherited(page, "/CropBox"))
    shown = intersection(media, crop) if crop else media
    return media if is_empty(shown) else shown


def look_up(resources: Resources, category: str, name: str) -> Any:
    """A named resource: of the innermost dictionary that has it, as PDFium looks it up; None if it is missing."""
    for dictionary in resources:
        if isinstance(dictionary, pikepdf.Dictionary):
            entries = dictionary.get(category)
            if isinstance(entries, pikepdf.Dictionary):
                value = entries.get(name)
                if value is not None:
                    return value
    return None


def name_of(token: bytes) -> str:
    """A name as pikepdf spells it, from how a content stream spells it."""
    if b"#" in token:
        token = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), token)
    return token.decode("utf-8", "surrogateescape")


def content_streams(page: pikepdf.Dictionary) -> Iterator[Any]:
    """What a page's /Contents names, in order. Not all need be streams, where the file is damaged."""
    contents = page.get("/Contents")
    if isinstance(contents, pikepdf.Array):
        yield from contents
    elif contents is not None or "/Contents" in dict(
        page.items()
    ):  # `in page` denies an object that is not in the file
        yield contents

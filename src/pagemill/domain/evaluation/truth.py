"""The true text of a document: cut into pages, with page markers as `document.md` has them or with form feeds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_MARKER = re.compile(r"^<!-- page ([0-9]{1,7}) -->[ \t]*$", re.MULTILINE)
_NO_TRUTH = re.compile(r"\s*<!-- failed: .*-->\s*")


@dataclass(frozen=True, slots=True)
class Truth:
    """The true text of some pages of a document."""

    pages: Mapping[int, str]  # by page number, from 1; an empty text: the page is blank
    markdown: bool  # whether the texts show headings, lists and tables
    whole: str = ""  # of the document, if it is not cut into pages; then there are no pages


def truth_of(text: str, *, markdown: bool, page_count: int) -> Truth:
    """Cut a true text into pages.

    Args:
        text: Pages behind markers, or separated by form feeds, or one text for the whole document.
        markdown: Whether it is Markdown.
        page_count: Pages of the document.

    Raises:
        ValueError: It is empty, or its markers name no page, or name one twice.
    """
    if _MARKER.search(text):
        return Truth(dict(_behind_markers(text)), markdown)
    pages = text.split("\f")
    if len(pages) == 1 and not text.strip():
        raise ValueError("is empty; if the page is blank, write: <!-- page 1 -->")
    if len(pages) > 1 and not pages[-1].strip() and len(pages) != page_count:
        pages.pop()  # pdftotext ends each page with a form feed
    if len(pages) == 1 and page_count != 1:
        return Truth({}, markdown, whole=text)
    return Truth(dict(enumerate(pages, start=1)), markdown)


def _behind_markers(text: str) -> Iterator[tuple[int, str]]:
    before, *parts = _MARKER.split(text)
    if before.strip():
        raise ValueError("has a text before its first page marker")
    seen: set[int] = set()
    for number, page in zip(map(int, parts[::2]), parts[1::2], strict=True):
        if number < 1:
            raise ValueError("has a marker of page 0; pages count from 1")
        if number in seen:
            raise ValueError(f"has page {number} twice")
        seen.add(number)
        if not _NO_TRUTH.fullmatch(page):  # a corrected `document.md`, whose failed pages nobody has typed
            yield number, page

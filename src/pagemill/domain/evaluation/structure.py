"""The structure that a Markdown text shows: headings, list items, rows of tables, and the blocks it consists of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from pagemill.domain.evaluation.html_tables import html_rows, without_html_tables
from pagemill.domain.service.similarity import plain

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*)")
_HTML_HEADING = re.compile(r"<h[1-6][^<>]*>([^<]*)</h[1-6]>", re.IGNORECASE)
_CLOSING = re.compile(r"[ \t]+#+[ \t]*\Z")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(.*)")
_DELIMITERS = re.compile(r"[ \t|:-]+")
_CELL_END = re.compile(r"(?<!\\)\|")
_WORD = re.compile(r"\w+")

Row = tuple[str, ...]


class _Kind(Enum):
    """What some lines are."""

    LINE = 1  # of anything else
    CODE = 2  # between fences: no markup
    TABLE = 3


@dataclass(frozen=True, slots=True)
class Structure:
    """What a text consists of. All texts are without markup."""

    headings: list[str] = field(default_factory=list)  # words only, in small letters
    items: list[str] = field(default_factory=list)  # first lines of list items; words only, in small letters
    rows: list[Row] = field(default_factory=list)  # of all tables, in their order; without empty cells at the end
    blocks: list[str] = field(default_factory=list)  # headings, items, rows and paragraphs


def structure_of(markdown: str) -> Structure:
    """The structure of a Markdown text: `#` and underlined headings, lists, `|` tables and HTML tables."""
    found = Structure()
    found.rows.extend(html_rows(markdown))
    found.blocks.extend(" ".join(filter(None, row)) for row in found.rows)
    found.headings.extend(_words(match[1]) for match in _HTML_HEADING.finditer(markdown))
    paragraph: list[str] = []
    for lines, kind in _sections(without_html_tables(markdown).splitlines()):
        if kind is _Kind.TABLE:
            _flush(paragraph, found)
            _add_table(lines, found)
        elif kind is _Kind.CODE:
            paragraph.extend(lines)
        else:
            _add_line(lines[0], paragraph, found)
    _flush(paragraph, found)
    return found


def lines_of(text: str) -> list[str]:
    """The blocks of a text without markup: its lines."""
    return [line for line in map(plain, text.splitlines()) if line]


def _sections(lines: list[str]) -> Iterator[tuple[list[str], _Kind]]:
    """The lines of each `|` table together; all other lines alone."""
    place, fence = 0, ""
    while place < len(lines):
        end, kind = place + 1, _Kind.CODE if fence else _Kind.LINE
        fence = _fence_after(fence, lines[place])
        if fence:
            kind = _Kind.CODE
        elif kind is _Kind.LINE and _begins_table(lines, place):
            kind = _Kind.TABLE
            while end < len(lines) and "|" in lines[end]:
                end += 1
        yield lines[place:end], kind
        place = end


def _fence_after(fence: str, line: str) -> str:
    """The fence of the code that is open after a line; empty where none is."""
    match = _FENCE.match(line)
    if not match:
        return fence
    if not fence:
        return match[1]
    return "" if match[1].startswith(fence) else fence


def _begins_table(lines: list[str], place: int) -> bool:
    """Whether a line with columns stands above a line of delimiters."""
    if "|" not in lines[place] or place + 1 == len(lines):
        return False
    below = lines[place + 1]
    return "|" in below and "-" in below and bool(_DELIMITERS.fullmatch(below))


def _add_table(lines: list[str], found: Structure) -> None:
    for line in [lines[0], *lines[2:]]:
        bare = line.strip().removeprefix("|")
        cells = [plain(cell.replace("\\|", "|")) for cell in _CELL_END.split(bare)]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            found.rows.append(tuple(cells))
            found.blocks.append(" ".join(filter(None, cells)))


def _add_line(line: str, paragraph: list[str], found: Structure) -> None:
    if paragraph and _UNDERLINE.fullmatch(line) and not _ITEM.fullmatch(paragraph[0]):
        found.headings.append(_words(" ".join(paragraph)))
        _flush(paragraph, found)
    elif heading := _HEADING.fullmatch(line):
        _flush(paragraph, found)
        title = _CLOSING.sub("", heading[1])
        found.headings.append(_words(title))
        _flush([title], found)
    elif item := _ITEM.fullmatch(line):
        _flush(paragraph, found)
        found.items.append(_words(item[1]))
        paragraph.append(line)
    elif line.strip():
        paragraph.append(line)
    else:
        _flush(paragraph, found)


def _flush(paragraph: list[str], found: Structure) -> None:
    """End a paragraph: it becomes a block."""
    if block := plain("\n".join(paragraph)):
        found.blocks.append(block)
    paragraph.clear()


def _words(text: str) -> str:
    return " ".join(_WORD.findall(plain(text).casefold()))

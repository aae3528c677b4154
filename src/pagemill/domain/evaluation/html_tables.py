"""Rows of the HTML tables in a text, also of tables that are never closed. Time in proportion to the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pagemill.domain.service.similarity import plain

_PART = re.compile(r"<(/?)(table|tr|td|th)\b([^<>]*)>", re.IGNORECASE)
_SPAN = re.compile(r"\b(colspan|rowspan)\s*=\s*[\"']?(\d{1,3})", re.IGNORECASE)
_LARGEST_SPAN = 100  # columns or rows of one cell


@dataclass(slots=True)
class _Held:
    """Columns that a cell of an earlier row still covers."""

    columns: range
    rows_left: int


@dataclass(slots=True)
class _Table:
    """A table that is being read."""

    rows: list[list[str]] = field(default_factory=list)
    held: list[_Held] = field(default_factory=list)  # by cells of rows that have ended
    begun: list[_Held] = field(default_factory=list)  # by cells of this row
    column: int = 0  # of the cell that is open
    text: list[str] | None = None  # of that cell; None: no cell is open

    def begin_row(self) -> None:
        self.end_cell()
        for held in self.held:
            held.rows_left -= 1
        self.held = [held for held in self.held + self.begun if held.rows_left > 0]
        self.begun = []
        self.rows.append([])

    def begin_cell(self, attributes: str) -> None:
        self.end_cell()
        if not self.rows:
            self.begin_row()
        spans = {name.lower(): min(int(number), _LARGEST_SPAN) for name, number in _SPAN.findall(attributes)}
        row = self.rows[-1]
        while held := next((held for held in self.held if len(row) in held.columns), None):
            row.extend([""] * (held.columns.stop - len(row)))
        first = len(row)
        row.extend([""] * max(spans.get("colspan", 1), 1))
        if spans.get("rowspan", 1) > 1:
            self.begun.append(_Held(range(first, len(row)), spans["rowspan"] - 1))
        self.column, self.text = first, []

    def end_cell(self) -> None:
        if self.text is not None:
            self.rows[-1][self.column] = plain("".join(self.text))
            self.text = None


def html_rows(text: str) -> list[tuple[str, ...]]:
    """The rows of all HTML tables, by column: a cell that covers several has its text in the first.

    Empty cells at the end of a row are left out, and so are empty rows.
    """
    return [tuple(row) for table in _tables(text) for row in map(_without_end, table.rows) if row]


def without_html_tables(text: str) -> str:
    """A text with an empty line in the place of each HTML table."""
    kept, depth, start = [], 0, 0
    for part in _PART.finditer(text):
        if part[2].lower() != "table":
            continue
        if not part[1] and depth == 0:
            kept.append(text[start : part.start()])
        depth = max(depth - 1, 0) if part[1] else depth + 1
        start = part.end() if depth == 0 else start
    return "\n\n".join([*kept, text[start:] if depth == 0 else ""])


def _tables(text: str) -> Iterator[_Table]:
    open_tables: list[_Table] = []
    start = 0
    for part in _PART.finditer(text):
        closing, kind = bool(part[1]), part[2].lower()
        if open_tables:
            _add_text(open_tables[-1], text[start : part.start()])
        start = part.end()
        if kind == "table" and not closing:
            open_tables.append(_Table())
        elif not open_tables:
            continue
        elif kind == "table":
            table = open_tables.pop()
            table.end_cell()
            yield table
        elif closing:
            open_tables[-1].end_cell()
        elif kind == "tr":
            open_tables[-1].begin_row()
        else:
            open_tables[-1].begin_cell(part[3])
    if open_tables:
        _add_text(open_tables[-1], text[start:])
    for table in open_tables:
        table.end_cell()
        yield table


def _add_text(table: _Table, text: str) -> None:
    if table.text is not None:
        table.text.append(text)


def _without_end(row: list[str]) -> list[str]:
    while row and not row[-1]:
        row.pop()
    return row

"""A page that records what is printed on it, so that a sample's true text always matches its pages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_JUSTIFY, TA_LEFT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

BLACK = "#000000"
PAGE_BREAK = "\f"


class Align(Enum):
    """Where a line of text stands relative to its x."""

    LEFT = "drawString"
    CENTRE = "drawCentredString"
    RIGHT = "drawRightString"


@dataclass(frozen=True)
class Type:
    """How text is set."""

    font: str
    size_pt: float
    leading_pt: float
    colour: str = BLACK
    justified: bool = False
    mark: str = ""  # before it in the Markdown truth: "# " for a heading, "- " for an item of a list


@dataclass(frozen=True)
class Cell:
    """One cell of a table row."""

    x: float
    text: str
    align: Align = Align.LEFT


@dataclass(frozen=True)
class Column:
    """A box that text flows through; y counts up from the foot of the page, as in PDF."""

    left: float
    top: float
    width: float
    bottom: float


@dataclass(frozen=True)
class TrueText:
    """What stands on the pages."""

    words: str  # a line a paragraph or table row, a form feed between pages
    markdown: str  # with headings, lists and tables, each page after its marker


class Sheet:
    """A PDF that is being written. Print in reading order: the true text has the same order."""

    def __init__(self, target: Path | io.BytesIO, *, size_pt: tuple[float, float], title: str) -> None:
        # invariant: no time and no random ids, so the same calls give the same bytes.
        self.canvas = Canvas(str(target) if isinstance(target, Path) else target, pagesize=size_pt, invariant=1)
        self.canvas.setTitle(title)
        self._pages: list[list[str]] = [[]]
        self._blocks: list[list[str]] = [[]]  # of each page, in Markdown
        self._in_table = False

    def record(self, text: str, *, mark: str = "") -> None:
        """Add text to the truth that is printed by other means."""
        self._pages[-1].append(text)
        self._blocks[-1].append(f"{mark}{text}")
        self._in_table = False

    def line(self, text: str, x: float, y: float, *, type_: Type, align: Align = Align.LEFT) -> None:
        """Print one line with its baseline at y."""
        self._draw(Cell(x, text, align), y, type_)
        self.record(text, mark=type_.mark)

    def lines(self, texts: Sequence[str], x: float, y: float, *, type_: Type, align: Align = Align.LEFT) -> float:
        """Print lines below one another, the first with its baseline at y; return the next baseline."""
        for text in texts:
            self.line(text, x, y, type_=type_, align=align)
            y -= type_.leading_pt
        return y

    def row(self, cells: Sequence[Cell], y: float, *, type_: Type) -> None:
        """Print texts on one baseline; in the truth they stand in one line."""
        for cell in cells:
            self._draw(cell, y, type_)
        self.record(" ".join(cell.text for cell in cells))

    def table_row(self, cells: Sequence[Cell], y: float, *, type_: Type, column: int = 0) -> None:
        """Print a row of a table, which the row before it began or goes on with; the first of a table is its head.

        Args:
            cells: What stands in the row.
            y: Its baseline.
            type_: How it is set.
            column: That of the first cell; those before it are empty.
        """
        begins = not self._in_table
        self.row(cells, y, type_=type_)
        line = f"| {' | '.join([''] * column + [cell.text for cell in cells])} |"
        if begins:
            self._blocks[-1][-1] = f"{line}\n|{'---|' * len(cells)}"
        else:
            self._blocks[-1].pop()
            self._blocks[-1][-1] += f"\n{line}"
        self._in_table = True

    def paragraph(self, text: str, column: Column, *, type_: Type) -> float:
        """Print a paragraph from the top of a column; return the y of its lower edge."""
        self.record(text, mark=type_.mark)
        return self._set(_paragraph(text, type_), column)

    def flow(self, texts: Sequence[tuple[str, Type]], columns: Sequence[Column]) -> tuple[Column, ...]:
        """Print paragraphs into columns, and continue in the next when one is full; return the columns that are left."""
        rest = list(columns)
        for text, type_ in texts:
            self.record(text, mark=type_.mark)
            pieces = [_paragraph(text, type_)]
            while pieces:
                piece, height = pieces.pop(0), rest[0].top - rest[0].bottom
                fitting = piece.split(rest[0].width, height) if height > 0 else []
                if not fitting:
                    pieces, rest = [piece], rest[1:]
                    continue
                gap = 0.0 if len(fitting) > 1 else 4.0
                rest[0] = _lowered(rest[0], self._set(fitting[0], rest[0]) - gap)
                if len(fitting) > 1:
                    pieces, rest = fitting[1:], rest[1:]
        return tuple(rest)

    def rule(self, left: float, right: float, y: float, *, width_pt: float = 0.6, colour: str = BLACK) -> None:
        """Draw a horizontal line."""
        self.canvas.setStrokeColor(HexColor(colour))
        self.canvas.setLineWidth(width_pt)
        self.canvas.line(left, y, right, y)

    def box(self, left: float, bottom: float, width: float, height: float, *, colour: str) -> None:
        """Fill a rectangle."""
        self.canvas.setFillColor(HexColor(colour))
        self.canvas.rect(left, bottom, width, height, stroke=0, fill=1)

    def turn(self) -> None:
        """Start the next page."""
        self.canvas.showPage()
        self._pages.append([])
        self._blocks.append([])
        self._in_table = False

    def finish(self) -> TrueText:
        """Write the PDF and return its true text."""
        self.canvas.showPage()
        self.canvas.save()
        words = f"\n{PAGE_BREAK}\n".join("\n".join(page) for page in self._pages) + "\n"
        pages = enumerate(("\n\n".join(blocks) or "<!-- blank -->" for blocks in self._blocks), start=1)
        return TrueText(words, "\n".join(f"<!-- page {number} -->\n\n{page}\n" for number, page in pages))

    def _draw(self, cell: Cell, y: float, type_: Type) -> None:
        self.canvas.setFont(type_.font, type_.size_pt)
        self.canvas.setFillColor(HexColor(type_.colour))
        getattr(self.canvas, cell.align.value)(cell.x, y, cell.text)

    def _set(self, paragraph: Paragraph, column: Column) -> float:
        _, height = paragraph.wrap(column.width, column.top - column.bottom)
        paragraph.drawOn(self.canvas, column.left, column.top - height)
        return float(column.top - height)


def _paragraph(text: str, type_: Type) -> Paragraph:
    style = ParagraphStyle(
        "sample",
        fontName=type_.font,
        fontSize=type_.size_pt,
        leading=type_.leading_pt,
        textColor=HexColor(type_.colour),
        alignment=TA_JUSTIFY if type_.justified else TA_LEFT,
        allowWidows=0,
        allowOrphans=0,
    )
    return Paragraph(escape(text), style)


def _lowered(column: Column, top: float) -> Column:
    return Column(column.left, top, column.width, column.bottom)

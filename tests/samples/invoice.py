"""An invoice: letterhead, address, a table of items, totals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reportlab.lib.pagesizes import A4

from tests.samples.sheet import Align, Cell, Column, Sheet, TrueText, Type

NAME = Type("Times-Bold", 22, 26, colour="#23395b", mark="# ")
LETTERHEAD = Type("Helvetica", 9, 12, colour="#444444")
HEADING = Type("Helvetica-Bold", 16, 20, mark="## ")
BODY = Type("Helvetica", 10, 14)
STRONG = Type("Helvetica-Bold", 10, 14)
SMALL = Type("Helvetica", 8.5, 11.5, colour="#444444")

LEFT, RIGHT = 56.0, A4[0] - 56.0
DESCRIPTION, QUANTITY, UNIT_PRICE = LEFT + 32, 348.0, 440.0
UNIT_PRICE_COLUMN = 3
VAT_PERCENT = 20

TERMS = (
    "Please pay within 30 days, quoting the invoice number. Account 00417265, sort code 00-00-00, Fenwick Vale Savings "
    "Bank. Work remains our property until it is paid for. Torn leaves are returned with the books."
)


@dataclass(frozen=True)
class Item:
    """A line of the invoice."""

    description: str
    quantity: int
    unit_pence: int

    @property
    def pence(self) -> int:
        """What the line costs."""
        return self.quantity * self.unit_pence


ITEMS = (
    Item("Case binding, quarter cloth, octavo", 24, 1850),
    Item("Marbled endpapers, per pair", 24, 320),
    Item("Gilt lettering on the spine, per line", 48, 175),
    Item("Slipcase in grey board", 12, 990),
    Item("Repair of torn leaves, per hour", 6, 3200),
    Item("Carriage, insured, one crate", 1, 2740),
)


def write(path: Path) -> TrueText:
    """Draw the invoice; return its true text."""
    sheet = Sheet(path, size_pt=A4, title="Invoice 2031-0147")
    _draw_letterhead(sheet)
    y = sheet.lines(("Miss Adela Thornbury", "The Old Schoolhouse"), LEFT, 690, type_=BODY)
    y = sheet.lines(("Nether Wickham", "WK7 2QD"), LEFT, y, type_=BODY)
    sheet.line("Invoice", LEFT, y - 26, type_=HEADING)
    sheet.row(
        [
            Cell(LEFT, "Number: 2031-0147"),
            Cell(230, "Date: 4 March 2031"),
            Cell(RIGHT, "Due: 3 April 2031", Align.RIGHT),
        ],
        y - 50,
        type_=BODY,
    )
    y = _draw_items(sheet, y - 84)
    y = _draw_totals(sheet, y - 8)
    sheet.paragraph(TERMS, Column(LEFT, y - 30, RIGHT - LEFT, 60), type_=BODY)
    sheet.line("Registered in Nether Wickham. VAT number 000 4182 73.", A4[0] / 2, 40, type_=SMALL, align=Align.CENTRE)
    return sheet.finish()


def _draw_letterhead(sheet: Sheet) -> None:
    sheet.box(0, A4[1] - 14, A4[0], 14, colour="#23395b")
    sheet.line("Ossington & Thrale", LEFT, 782, type_=NAME)
    sheet.line("Bookbinders since 1894", LEFT, 766, type_=LETTERHEAD)
    sheet.line("12 Tannery Row, Fenwick Vale FV1 4AB, telephone 0113 4960 118", LEFT, 753, type_=LETTERHEAD)
    sheet.rule(LEFT, RIGHT, 742, colour="#23395b")


def _draw_items(sheet: Sheet, y: float) -> float:
    sheet.box(LEFT, y - 6, RIGHT - LEFT, 20, colour="#e4e8ef")
    sheet.table_row(_cells("No.", "Description", "Quantity", "Unit price", "Amount"), y, type_=STRONG)
    for number, item in enumerate(ITEMS, start=1):
        y -= 22
        sheet.table_row(
            _cells(f"{number}", item.description, f"{item.quantity}", _pounds(item.unit_pence), _pounds(item.pence)),
            y,
            type_=BODY,
        )
        sheet.rule(LEFT, RIGHT, y - 7, width_pt=0.3, colour="#b0b4bb")
    return y - 24


def _draw_totals(sheet: Sheet, y: float) -> float:
    net = sum(item.pence for item in ITEMS)
    vat = net * VAT_PERCENT // 100
    for label, pence in (("Subtotal", net), (f"VAT at {VAT_PERCENT} %", vat)):
        row = [Cell(UNIT_PRICE, label, Align.RIGHT), Cell(RIGHT - 6, _pounds(pence), Align.RIGHT)]
        sheet.table_row(row, y, type_=BODY, column=UNIT_PRICE_COLUMN)
        y -= 18
    sheet.rule(UNIT_PRICE - 70, RIGHT, y + 13, width_pt=1)
    row = [Cell(UNIT_PRICE, "Total in pounds", Align.RIGHT), Cell(RIGHT - 6, _pounds(net + vat), Align.RIGHT)]
    sheet.table_row(row, y - 4, type_=STRONG, column=UNIT_PRICE_COLUMN)
    return y - 4


def _cells(number: str, description: str, *amounts: str) -> list[Cell]:
    edges = (QUANTITY, UNIT_PRICE, RIGHT - 6)
    return [
        Cell(LEFT + 6, number),
        Cell(DESCRIPTION, description),
        *(Cell(edge, amount, Align.RIGHT) for edge, amount in zip(edges, amounts, strict=True)),
    ]


def _pounds(pence: int) -> str:
    return f"{pence / 100:,.2f}"

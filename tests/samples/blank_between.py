"""Three pages: text, an empty page, text."""

from __future__ import annotations

from pathlib import Path

from reportlab.lib.pagesizes import A5

from tests.samples.sheet import Align, Column, Sheet, TrueText, Type

TITLE = Type("Times-Bold", 20, 26, mark="# ")
BODY = Type("Times-Roman", 12, 17, justified=True)

OPENING = (
    "The clock above the station had stopped at ten past four, and nobody in Little Harding could remember a time when "
    "it had not. Visitors set their watches by it and missed their trains. The stationmaster, who owned a good watch, "
    "said that a clock which is right twice a day does more than most of us."
)
CLOSING = (
    "On the morning after the storm it was running. It ran for the whole of that Thursday, a little fast, and struck "
    "the hours in a voice that the older people said they knew. By evening it stood at ten past four again. The "
    "stationmaster wound his watch and went home."
)


def write(path: Path) -> TrueText:
    """Draw the three pages; return their true text, the second of which is empty."""
    sheet = Sheet(path, size_pt=A5, title="The Clock at Little Harding")
    _draw_page(sheet, "The Clock at Little Harding", OPENING)
    sheet.turn()
    sheet.turn()
    _draw_page(sheet, "What the Storm Did", CLOSING)
    return sheet.finish()


def _draw_page(sheet: Sheet, title: str, text: str) -> None:
    width, height = A5
    sheet.line(title, width / 2, height - 90, type_=TITLE, align=Align.CENTRE)
    sheet.paragraph(text, Column(54, height - 120, width - 108, 60), type_=BODY)

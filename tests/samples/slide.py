"""A 16:9 slide: a title, bullets, and a coloured box with a figure in it."""

from __future__ import annotations

from pathlib import Path

from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont

from tests.samples.sheet import Align, Cell, Column, Sheet, TrueText, Type

SIZE_PT = (960.0, 540.0)
NAVY, AMBER, WHITE, GREY = "#14304f", "#f2a93b", "#ffffff", "#5b6470"

TITLE = Type("VeraBd", 34, 42, colour=WHITE, mark="# ")
BULLET = Type("Vera", 20, 28, colour="#1d2733", mark="- ")
FIGURE = Type("VeraBd", 60, 66, colour=NAVY)
LEGEND = Type("Vera", 18, 24, colour=NAVY)
FOOTER = Type("Vera", 12, 15, colour=GREY)

BULLETS = (
    "Night buses now run every twenty minutes",
    "Two thirds of passengers change at Mill Lane",
    "Complaints fell from 214 to 96 in a year",
    "Next: one ticket for bus, tram and ferry",
)


def write(path: Path) -> TrueText:
    """Draw the slide; return its true text."""
    for name in ("Vera", "VeraBd"):
        registerFont(TTFont(name, f"{name}.ttf"))
    sheet = Sheet(path, size_pt=SIZE_PT, title="A year of night buses")
    sheet.box(0, 430, 960, 110, colour=NAVY)
    sheet.line("A year of night buses", 60, 470, type_=TITLE)
    _draw_bullets(sheet)
    _draw_figure(sheet)
    sheet.rule(60, 900, 58, colour="#c5cad1")
    sheet.row([Cell(60, "Transport Board of Ellerby, spring meeting"), Cell(900, "7", Align.RIGHT)], 34, type_=FOOTER)
    return sheet.finish()


def _draw_bullets(sheet: Sheet) -> None:
    top = 392.0
    for text in BULLETS:
        # A square, not a glyph: it is not part of the text.
        sheet.box(60, top - 20, 9, 9, colour=AMBER)
        top = sheet.paragraph(text, Column(88, top, 460, 60), type_=BULLET) - 18


def _draw_figure(sheet: Sheet) -> None:
    sheet.canvas.setFillColor(HexColor(AMBER))
    sheet.canvas.roundRect(620, 130, 280, 250, 16, stroke=0, fill=1)
    sheet.line("41 %", 760, 270, type_=FIGURE, align=Align.CENTRE)
    sheet.lines(("more passengers", "after midnight"), 760, 216, type_=LEGEND, align=Align.CENTRE)

"""A paper in two columns under a title that spans them, with a small table; two pages."""

from __future__ import annotations

from pathlib import Path

from reportlab.lib.pagesizes import A4

from tests.samples.sheet import Align, Cell, Column, Sheet, TrueText, Type

TITLE = Type("Times-Bold", 19, 23, mark="# ")
AUTHORS = Type("Times-Roman", 11, 14)
AFFILIATION = Type("Times-Italic", 10, 13)
ABSTRACT = Type("Times-Italic", 9.5, 12, justified=True)
HEADING = Type("Times-Bold", 12, 17, mark="## ")
BODY = Type("Times-Roman", 10, 12.6, justified=True)
CAPTION = Type("Times-Italic", 9, 11)
FIGURES = Type("Helvetica", 8.5, 13)
FIGURES_HEAD = Type("Helvetica-Bold", 8.5, 13)
FOOTER = Type("Times-Roman", 8.5, 10)

LEFT, RIGHT, WIDTH, FOOT = 50.0, 308.0, 237.0, 66.0

SUMMARY = (
    "Abstract. Restored salt marshes are said to keep their warmth through the winter better than the ploughed land "
    "they replace. We buried forty thermometers at four depths in the marsh at Harrow Creek and read them every hour "
    "for three winters. At a depth of 30 cm the restored ground stayed 1.8 degrees warmer than a neighbouring field, "
    "and it froze on nine days instead of thirty-one. Most of the difference comes from the tide itself."
)

FIRST_PAGE = (
    ("1 Introduction", HEADING),
    (
        (
            "When the sea wall at Harrow Creek was opened in the autumn of 2024, about sixty hectares of barley became "
            "tidal mud within a single week. The plants that followed are well described. Far less is known about what "
            "happens below the surface once salt water returns, although seeds, worms and the wading birds that eat them "
            "all depend on whether the soil freezes."
        ),
        BODY,
    ),
    (
        (
            "Older surveys measured temperature once a day, usually in the early morning, and at one depth only. That is "
            "enough to tell a mild winter from a hard one, but it hides the tide, which reaches the marsh twice a day and "
            "carries heat with it. We therefore chose to measure often, at several depths, and over more than one winter."
        ),
        BODY,
    ),
    ("2 Site and method", HEADING),
    (
        (
            "The marsh lies on the eastern shore of the estuary, between 1.2 and 2.1 metres above mean sea level. Four "
            "stations were set out along a line of 300 metres, from the creek to the old wall. A fifth stood in the field "
            "behind the wall, which is still farmed and has never been flooded."
        ),
        BODY,
    ),
    (
        (
            "Each station carried eight thermometers, two at each of the depths 5, 15, 30 and 60 cm. The sensors were "
            "checked in melting ice before they were buried and again after they were dug up; none had drifted by more "
            "than 0.1 degrees. Readings were stored on the spot and collected on foot once a month, at low water."
        ),
        BODY,
    ),
    (
        (
            "Of the 311,040 readings expected, 304,776 were recovered. The gaps are short, with one exception: the station "
            "nearest the creek was lost for eleven days in January 2026, when ice lifted the box from its post. We did "
            "not fill any gap. Every mean reported here is taken over the hours in which all five stations were working."
        ),
        BODY,
    ),
    (
        (
            "A reading counts as frozen when both sensors at one depth stay below minus 0.5 degrees for at least six "
            "hours, since sea water in the pores lowers the freezing point by about that much. The tide was taken from "
            "the gauge at the harbour, four kilometres away, and moved by nineteen minutes to allow for the distance."
        ),
        BODY,
    ),
    ("3 Results", HEADING),
    (
        (
            "The surface followed the air closely everywhere. Below 15 cm the marsh and the field parted company. From "
            "December to February the field cooled steadily, while the marsh lost heat between tides and won part of it "
            "back at each flood. The effect was strongest near the creek and could still be seen at the old wall."
        ),
        BODY,
    ),
)

SECOND_PAGE = (
    (
        (
            "Table 1 gives the means over three winters. The difference grows with depth down to 30 cm and then shrinks, "
            "because at 60 cm even the field is protected by the soil above it."
        ),
        BODY,
    ),
)

TABLE = (
    ("Depth", "Marsh", "Field", "Gain"),
    ("5 cm", "3.1", "2.4", "0.7"),
    ("15 cm", "4.6", "3.3", "1.3"),
    ("30 cm", "6.2", "4.4", "1.8"),
    ("60 cm", "7.5", "6.7", "0.8"),
)

REMAINDER = (
    (
        (
            "Days with frost in the ground were rare in the marsh: nine in three winters at 15 cm, against thirty-one in "
            "the field. All nine fell in one cold week with neap tides, when the water did not reach the upper stations."
        ),
        BODY,
    ),
    ("4 Discussion", HEADING),
    (
        (
            "Two things could explain the warmth of the marsh. Wet soil holds more heat than dry soil, and the tide brings "
            "new heat in. Our stations allow the two to be told apart, since the ground near the old wall is as wet as "
            "that beside the creek but is flooded only on one tide in three. It gained less than half as much. We conclude "
            "that the flood, rather than the wetness, does most of the work."
        ),
        BODY,
    ),
    (
        (
            "The result should not be carried over to marshes with a smaller tidal range, nor to estuaries that freeze. "
            "It does suggest that the timing of repairs matters: a breach closed for the winter would take away the heat "
            "just when the animals in the mud need it."
        ),
        BODY,
    ),
    ("Acknowledgements", HEADING),
    (
        (
            "We thank the wardens of the reserve, who carried batteries through the mud in all weathers, and Orla Finsbury "
            "for the loan of her boat."
        ),
        BODY,
    ),
)


def write(path: Path) -> TrueText:
    """Draw the paper; return its true text."""
    sheet = Sheet(path, size_pt=A4, title="Winter Soil Temperatures in a Restored Salt Marsh")
    top = _draw_head(sheet)
    sheet.flow(FIRST_PAGE, [Column(LEFT, top, WIDTH, FOOT), Column(RIGHT, top, WIDTH, FOOT)])
    _draw_footer(sheet, "1")
    sheet.turn()
    (left,) = sheet.flow(SECOND_PAGE, [Column(LEFT, 785, WIDTH, FOOT)])
    left = Column(LEFT, _draw_table(sheet, left.top - 12), WIDTH, 470)
    sheet.flow(REMAINDER, [left, Column(RIGHT, 785, WIDTH, 470)])
    _draw_footer(sheet, "2")
    return sheet.finish()


def _draw_head(sheet: Sheet) -> float:
    centre = A4[0] / 2
    sheet.line("Winter Soil Temperatures in a Restored Salt Marsh", centre, 770, type_=TITLE, align=Align.CENTRE)
    sheet.line("Ilse Marwick and Tobin Ashgrove", centre, 744, type_=AUTHORS, align=Align.CENTRE)
    sheet.line("Institute of Coastal Measurement, Port Ellery", centre, 729, type_=AFFILIATION, align=Align.CENTRE)
    lower_edge = sheet.paragraph(SUMMARY, Column(80, 714, A4[0] - 160, FOOT), type_=ABSTRACT)
    return lower_edge - 16


def _draw_table(sheet: Sheet, y: float) -> float:
    sheet.line("Table 1. Mean soil temperature in degrees Celsius.", LEFT, y, type_=CAPTION)
    sheet.rule(LEFT, LEFT + WIDTH, y - 6, width_pt=1)
    y -= 17
    for number, cells in enumerate(TABLE):
        row = [Cell(LEFT + 4, cells[0])]
        row += [Cell(LEFT + 100 + 62 * place, text, Align.RIGHT) for place, text in enumerate(cells[1:])]
        sheet.table_row(row, y, type_=FIGURES if number else FIGURES_HEAD)
        if number == 0:
            sheet.rule(LEFT, LEFT + WIDTH, y - 4)
        y -= FIGURES.leading_pt if number else FIGURES.leading_pt + 2
    sheet.rule(LEFT, LEFT + WIDTH, y + 8, width_pt=1)
    return y - 4


def _draw_footer(sheet: Sheet, number: str) -> None:
    sheet.rule(LEFT, RIGHT + WIDTH, 52)
    sheet.row(
        [Cell(LEFT, "Notes on Coastal Measurement, volume 7"), Cell(RIGHT + WIDTH, number, Align.RIGHT)],
        40,
        type_=FOOTER,
    )

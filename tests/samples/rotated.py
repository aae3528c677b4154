"""A page that /Rotate turns upright, and a page whose CropBox hides part of what is drawn."""

from __future__ import annotations

from pathlib import Path

import pikepdf
from reportlab.lib.pagesizes import A4

from tests.samples.sheet import Align, Cell, Column, Sheet, TrueText, Type

HEADING = Type("Helvetica-Bold", 18, 24, mark="# ")
BODY = Type("Helvetica", 12, 17)
STRONG = Type("Helvetica-Bold", 12, 17)
HIDDEN = Type("Helvetica", 12, 17)

CROP_MARGIN_PT = 90.0
OUTSIDE_THE_CROP = ("PROOF COPY, NOT FOR SALE", "Cut here. Job 5581, sheet 3 of 8.")

DEPARTURES = (
    ("Ferry", "Leaves", "Arrives", "Quay"),
    ("Saint Orrin", "07:15", "09:40", "North"),
    ("Grey Heron", "10:30", "12:50", "North"),
    ("Lady Maud", "13:05", "15:35", "South"),
    ("Saint Orrin", "17:45", "20:10", "North"),
)


def write(path: Path) -> TrueText:
    """Draw both pages; return their true text, without what lies outside the CropBox."""
    sheet = Sheet(path, size_pt=A4, title="Ferries to Skerrow Island")
    _draw_turned_page(sheet)
    sheet.turn()
    _draw_cropped_page(sheet)
    truth = sheet.finish()
    # Not with the canvas: its setPageRotation swaps width and height of the MediaBox too.
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.pages[0].Rotate = 90
        pdf.save(path, static_id=True)
    return truth


def _draw_turned_page(sheet: Sheet) -> None:
    # The page is stored as portrait with its text running up; the reader turns it clockwise into landscape.
    sheet.canvas.translate(A4[0], 0)
    sheet.canvas.rotate(90)
    sheet.line("Ferries to Skerrow Island, summer timetable", 80, 510, type_=HEADING)
    y = 465.0
    for number, cells in enumerate(DEPARTURES):
        row = [Cell(80 + 170 * place, text) for place, text in enumerate(cells)]
        sheet.table_row(row, y, type_=BODY if number else STRONG)
        sheet.rule(80, 760, y - 8, width_pt=0.4 if number else 1)
        y -= 30
    sheet.paragraph(
        "Boats run from the first of May to the last of September, in all but the heaviest weather. Bicycles travel "
        "free of charge. Please be on the quay ten minutes before departure; the gangway is drawn in early.",
        Column(80, y, 680, 60),
        type_=BODY,
    )


def _draw_cropped_page(sheet: Sheet) -> None:
    width, height = A4
    sheet.canvas.setCropBox((CROP_MARGIN_PT, CROP_MARGIN_PT, width - CROP_MARGIN_PT, height - CROP_MARGIN_PT))
    # Printed on the canvas directly: it lies outside the CropBox and is not part of the text.
    sheet.canvas.setFont(HIDDEN.font, HIDDEN.size_pt)
    sheet.canvas.drawCentredString(width / 2, height - CROP_MARGIN_PT / 2, OUTSIDE_THE_CROP[0])
    sheet.canvas.drawCentredString(width / 2, CROP_MARGIN_PT / 2, OUTSIDE_THE_CROP[1])
    centre = width / 2
    sheet.line("Skerrow Island", centre, height - 150, type_=HEADING, align=Align.CENTRE)
    sheet.flow(
        (
            (
                (
                    "The island is four miles long and has no cars. From the quay a paved path leads to the lighthouse, "
                    "which is open on Sundays between two and five. The climb has 119 steps."
                ),
                BODY,
            ),
            (
                (
                    "Tea is served in the keeper's cottage. Dogs are welcome on a lead, except on the north cliffs from "
                    "April to July, when the puffins nest."
                ),
                BODY,
            ),
            ("The last boat does not wait.", STRONG),
        ),
        [Column(120, height - 175, width - 240, 120)],
    )

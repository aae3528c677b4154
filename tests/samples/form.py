"""A filled-in AcroForm whose fields hold values but no appearances: only a reader that knows forms renders them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pikepdf
from reportlab.lib.pagesizes import A4

from tests.samples.sheet import Column, Sheet, TrueText, Type

HEADING = Type("Helvetica-Bold", 18, 24, mark="# ")
BODY = Type("Helvetica", 10.5, 15)
LABEL = Type("Helvetica-Bold", 10.5, 15)

LEFT, FIELD_LEFT, FIELD_WIDTH, FIELD_HEIGHT = 64.0, 210.0, 320.0, 22.0
TICK_SIZE = 13.0

TEXT_FIELDS = (
    ("Full name", "Rosalind Achterberg"),
    ("Date of birth", "17 September 1986"),
    ("Street", "8 Lantern Hill"),
    ("Town and postcode", "Ellerby EL3 9TG"),
    ("Occupation", "Piano tuner"),
    ("Subject of research", "Bell founding in the north, 1650 to 1720"),
)
CHECK_BOXES = (
    ("I have read the rules of the reading room.", True),
    ("Please send me the monthly list of new books.", False),
    ("I need a desk near the window.", True),
)


@dataclass(frozen=True)
class TextField:
    """A text field to be added, with its place on the page."""

    name: str
    value: str
    rectangle: tuple[float, float, float, float]


@dataclass(frozen=True)
class CheckBox:
    """A check box to be added, with its place on the page."""

    name: str
    ticked: bool
    rectangle: tuple[float, float, float, float]


def write(path: Path) -> TrueText:
    """Draw the form and fill it in; return its true text, the values included and the ticks not."""
    drawing = io.BytesIO()
    sheet = Sheet(drawing, size_pt=A4, title="Application for a reader's ticket")
    sheet.line("Application for a reader's ticket", LEFT, 760, type_=HEADING)
    sheet.paragraph(
        "Ellerby Town Library. Please complete every line. Tickets are valid for two years and are handed out at the "
        "desk on the first floor, against proof of address.",
        Column(LEFT, 745, A4[0] - 2 * LEFT, 60),
        type_=BODY,
    )
    y, texts = _draw_text_fields(sheet, 670)
    y, ticks = _draw_check_boxes(sheet, y - 14)
    sheet.line("For the desk only. Ticket number: L 20 417", LEFT, y - 24, type_=BODY)
    truth = sheet.finish()
    with pikepdf.open(drawing) as pdf:
        _add_fields(pdf, [_text_field(pdf, field) for field in texts] + [_check_box(pdf, box) for box in ticks])
        pdf.save(path, deterministic_id=True)
    return truth


def _draw_text_fields(sheet: Sheet, y: float) -> tuple[float, list[TextField]]:
    fields = []
    for label, value in TEXT_FIELDS:
        rectangle = (FIELD_LEFT, y - 7, FIELD_LEFT + FIELD_WIDTH, y - 7 + FIELD_HEIGHT)
        sheet.canvas.setLineWidth(0.5)
        sheet.canvas.rect(rectangle[0], rectangle[1], FIELD_WIDTH, FIELD_HEIGHT)
        sheet.line(label, LEFT, y, type_=LABEL)
        sheet.record(value)
        fields.append(TextField(label, value, rectangle))
        y -= 36
    return y, fields


def _draw_check_boxes(sheet: Sheet, y: float) -> tuple[float, list[CheckBox]]:
    boxes = []
    for number, (label, ticked) in enumerate(CHECK_BOXES, start=1):
        rectangle = (LEFT, y - 2, LEFT + TICK_SIZE, y - 2 + TICK_SIZE)
        sheet.canvas.rect(rectangle[0], rectangle[1], TICK_SIZE, TICK_SIZE)
        sheet.line(label, LEFT + 24, y, type_=BODY)
        boxes.append(CheckBox(f"Choice {number}", ticked, rectangle))
        y -= 26
    return y, boxes


def _add_fields(pdf: pikepdf.Pdf, fields: list[pikepdf.Object]) -> None:
    fonts = pikepdf.Dictionary(Helv=_font(pdf, pikepdf.Name.Helvetica), ZaDb=_font(pdf, pikepdf.Name.ZapfDingbats))
    pdf.pages[0].Annots = pdf.make_indirect(pikepdf.Array(fields))
    pdf.Root.AcroForm = pikepdf.Dictionary(
        Fields=pikepdf.Array(fields),
        NeedAppearances=True,
        DA=pikepdf.String("/Helv 11 Tf 0 g"),
        DR=pikepdf.Dictionary(Font=fonts),
    )


def _font(pdf: pikepdf.Pdf, name: pikepdf.Object) -> pikepdf.Object:
    return pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=name))


def _text_field(pdf: pikepdf.Pdf, field: TextField) -> pikepdf.Object:
    return pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name.Widget,
            FT=pikepdf.Name.Tx,
            F=4,
            T=pikepdf.String(field.name),
            V=pikepdf.String(field.value),
            DA=pikepdf.String("/Helv 11 Tf 0 0 0.5 rg"),
            Rect=pikepdf.Array(field.rectangle),
            P=pdf.pages[0].obj,
        )
    )


def _check_box(pdf: pikepdf.Pdf, box: CheckBox) -> pikepdf.Object:
    state = pikepdf.Name.Yes if box.ticked else pikepdf.Name.Off
    return pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name.Widget,
            FT=pikepdf.Name.Btn,
            F=4,
            T=pikepdf.String(box.name),
            V=state,
            AS=state,
            DA=pikepdf.String("/ZaDb 0 Tf 0 0 0.5 rg"),
            MK=pikepdf.Dictionary(CA=pikepdf.String("4")),  # "4" is the tick of ZapfDingbats
            Rect=pikepdf.Array(box.rectangle),
            P=pdf.pages[0].obj,
        )
    )

"""A white page is blank only with proof; this module tries to give it.

PDFium answers an image that it cannot decode, a form that is not there or memory that it cannot get with a white page
and no error. So everything that the page's contents paint must be known to leave no mark.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pikepdf
import pypdfium2 as pdfium

from pagemill.errors import PageUnreadable
from pagemill.pdf import fonts, geometry
from pagemill.pdf.annotations import appearance
from pagemill.pdf.blank import PagePixels
from pagemill.pdf.blank_images import shows_nothing
from pagemill.pdf.damage import damage_of
from pagemill.pdf.objects import content_streams, inherited, visible_box
from pagemill.pdf.painting import Paint, Painter, TooManyInstructions
from pagemill.pdf.second_reader import ODD_OBJECTS, SecondReader
from pagemill.pdf.streams import StreamDamaged, undo_filters
from pagemill.pdf.tokens import ContentsDamaged, InlineImage, instructions

_CURE = "print the document to a new PDF with another viewer"
_HIDDEN_FLAGS = 0b100010
_COLOUR_TOLERANCE = 1
_SPACES = b" \t\r\n\x00\xa0"


def assert_blank(reader: SecondReader | None, page: pdfium.PdfPage, number: int, pixels: PagePixels) -> None:
    """Check that a page that was drawn in one colour is blank.

    Args:
        reader: The second reader of the document; None if it cannot open the file.
        page: The page as PDFium has it.
        number: Its number, 1-based.
        pixels: Its rendering: one colour throughout.

    Raises:
        PageUnreadable: It is not blank, or nothing proves that it is.
    """
    second = reader.page(number) if reader else None
    if reader is None or second is None:
        raise PageUnreadable(
            f"the page came out empty, and the file is too damaged to tell whether it is blank; {_CURE}"
        )
    damage = damage_of(reader, second)
    if damage.findings:
        raise PageUnreadable(f"the page came out empty although it is damaged: {'; '.join(damage.said())}; {_CURE}")
    paper = int(pixels.bgrx[0, 0])
    colour = (paper >> 16 & 0xFF, paper >> 8 & 0xFF, paper & 0xFF)
    try:
        marks = _marks(reader, second, colour)
        if marks:
            # A missing font is the better reason. And text that PDFium does not list is no white space.
            fonts.check_text(page, pixels, damage.risky_fonts, single_spaces(reader, second))
    except (ContentsDamaged, StreamDamaged, *ODD_OBJECTS) as error:
        raise PageUnreadable(f"the page came out empty although it is damaged: {error}; {_CURE}") from error
    except TooManyInstructions as error:
        raise PageUnreadable(f"the page came out empty, and its contents are too long to tell why; {_CURE}") from error
    if marks and all(mark.kind == "text" for mark in marks) and _is_white_space(page):
        return
    if marks:
        what = ", ".join(sorted({mark.what for mark in marks})[:8])
        raise PageUnreadable(
            f"the page came out empty although it holds objects ({what}): PDFium could not render them; {_CURE}"
        )


def single_spaces(reader: SecondReader, page: pikepdf.Dictionary) -> Callable[[str], int]:
    """Count the single spaces that a page shows as strings of their own, by font, when they are asked for."""

    @functools.cache
    def counts() -> Counter[str]:
        painter = Painter(visible_box(page), reader.layers, tolerant=True)
        data = contents_of(page)
        counted: Counter[str] = Counter()
        with contextlib.suppress(ContentsDamaged, TooManyInstructions):  # the findings say so
            for paint in painter.paint(data, (inherited(page, "/Resources"),)):
                if isinstance(paint.font, pikepdf.Dictionary) and fonts.is_space(paint.font, paint.text):
                    counted[str(paint.font.get("/BaseFont", ""))[1:]] += 1
        return counted

    return lambda name: counts()[name]


def contents_of(page: pikepdf.Dictionary) -> bytes:
    """The contents of a page, as far as they decode."""
    parts = []
    for stream in content_streams(page):
        with contextlib.suppress(StreamDamaged):
            parts.append(undo_filters(stream).data if isinstance(stream, pikepdf.Stream) else b"")
    return b"\n".join(parts)


def _marks(reader: SecondReader, page: pikepdf.Dictionary, paper: tuple[int, int, int]) -> list[Paint]:
    """What should have left a mark on the page, and is not covered by something in the colour of the paper."""
    resources = (inherited(page, "/Resources"),)
    painter = Painter(visible_box(page), reader.layers)
    marks = _left_by(painter.paint(contents_of(page), resources), paper)
    listed = page.get("/Annots")
    for annotation in listed if isinstance(listed, pikepdf.Array) else ():
        if not isinstance(annotation, pikepdf.Dictionary):
            continue
        if int(annotation.get("/F", 0)) & _HIDDEN_FLAGS or reader.layers.hide(annotation.get("/OC")):
            continue
        form = appearance(annotation)
        if isinstance(form, pikepdf.Stream):
            marks += _left_by(painter.paint_form(form, resources, _placed(form, annotation)), paper)
        elif _has_text(annotation):
            marks.append(Paint("annotation", "annotation", painter.page_box, (None,), hidden=False, covers=False))
    return marks


def _has_text(annotation: pikepdf.Dictionary) -> bool:
    """Tell whether an annotation without an appearance has text that belongs on the page."""
    kind = str(annotation.get("/Subtype", ""))
    if kind == "/Widget":
        return bool(str(inherited(annotation, "/V") or "").strip()) and inherited(annotation, "/FT") != pikepdf.Name.Btn
    return kind == "/FreeText" and bool(str(annotation.get("/Contents", "")).strip())


def _placed(form: pikepdf.Stream, annotation: pikepdf.Dictionary) -> geometry.Matrix:
    """The matrix that fits an appearance into its annotation's rectangle (PDF 1.7, 12.5.5, algorithm 8.1)."""
    place, bounds = geometry.read_box(annotation.get("/Rect")), geometry.read_box(form.get("/BBox"))
    if not place or not bounds:
        return geometry.IDENTITY
    box = geometry.transformed(bounds, geometry.read_matrix(form.get("/Matrix")))
    across = (place[2] - place[0]) / (box[2] - box[0]) if box[2] > box[0] else 1.0
    up = (place[3] - place[1]) / (box[3] - box[1]) if box[3] > box[1] else 1.0
    return across, 0, 0, up, place[0] - box[0] * across, place[1] - box[1] * up


def _left_by(paints: Iterable[Paint], paper: tuple[int, int, int]) -> list[Paint]:
    marks: list[Paint] = []
    for paint in paints:
        if paint.hidden or geometry.is_empty(paint.box):
            continue
        plain = _is_plain(paint, paper)
        if plain and paint.covers:
            marks = [mark for mark in marks if not geometry.holds(paint.box, mark.box)]
        elif not plain:
            marks.append(paint)
    return marks


def _is_plain(paint: Paint, paper: tuple[int, int, int]) -> bool:
    """Tell whether something shows no other colour than the paper's."""
    if paint.image is not None and not paint.colours:
        return shows_nothing(paint.image, paint.resources)
    if paint.colours and all(_is_same(colour, paper) for colour in paint.colours):
        return True
    if paint.image is not None:  # a stencil
        return shows_nothing(paint.image, paint.resources)
    if paint.kind != "text":
        return False
    if isinstance(paint.font, pikepdf.Dictionary) and paint.font.get("/Subtype") == pikepdf.Name.Type3:
        return _draws_no_glyph(paint)
    is_composite = isinstance(paint.font, pikepdf.Dictionary) and paint.font.get("/Subtype") == pikepdf.Name.Type0
    return not is_composite and not paint.text.strip(_SPACES)


def _is_same(colour: tuple[int, int, int] | None, paper: tuple[int, int, int]) -> bool:
    return colour is not None and all(abs(a - b) <= _COLOUR_TOLERANCE for a, b in zip(colour, paper, strict=True))


def _draws_no_glyph(paint: Paint) -> bool:
    """Tell whether each glyph of a Type 3 font that a text uses is there, and paints nothing."""
    names = _glyph_names(paint.font.get("/Encoding"))
    glyphs = paint.font.get("/CharProcs", pikepdf.Dictionary())
    for code in set(paint.text):
        glyph = glyphs.get(names.get(code, "/"))
        if not isinstance(glyph, pikepdf.Stream):
            return False
        for step in instructions(undo_filters(glyph).data):
            if isinstance(step, InlineImage) or step.operator not in {b"d0", b"d1", b"q", b"Q", b"cm"}:
                return False
    return True


def _glyph_names(encoding: Any) -> dict[int, str]:
    names: dict[int, str] = {}
    code = 0
    differences = encoding.get("/Differences") if isinstance(encoding, pikepdf.Dictionary) else None
    for entry in differences if isinstance(differences, pikepdf.Array) else ():
        if isinstance(entry, pikepdf.Name):
            names[code] = str(entry)
            code += 1
        else:
            code = int(entry)
    return names


def _is_white_space(page: pdfium.PdfPage) -> bool:
    text = page.get_textpage()
    return text.count_chars() > 0 and not text.get_text_range().strip()

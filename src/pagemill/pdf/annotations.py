"""Annotations: what stands on a page beside its contents (PDF 1.7, 12.5). Which show something, and by which stream."""

from __future__ import annotations

from typing import Any

import pikepdf

from pagemill.pdf.objects import inherited

# Annotations that viewers render even without an appearance, and PDFium does not (a test holds this list against it).
# Others show an icon at most, or PDFium makes them an appearance.
NOT_RENDERED = {"/Stamp", "/Line", "/Polygon", "/PolyLine", "/Watermark"}

# PDF 2.0 (ISO 32000-2), table 171.
_KINDS = {
    *(
        "/Text",
        "/Link",
        "/FreeText",
        "/Line",
        "/Square",
        "/Circle",
        "/Polygon",
        "/PolyLine",
        "/Highlight",
        "/Underline",
    ),
    *(
        "/Squiggly",
        "/StrikeOut",
        "/Caret",
        "/Stamp",
        "/Ink",
        "/Popup",
        "/FileAttachment",
        "/Sound",
        "/Movie",
        "/Screen",
    ),
    *("/Widget", "/PrinterMark", "/TrapNet", "/Watermark", "/3D", "/Redact", "/Projection", "/RichMedia"),
}
_INVISIBLE_ANNOTATIONS = {"/Popup", "/Link"}
_HIDDEN_FLAGS = 0b100010  # Hidden and NoView; PDF 1.7, table 165


def is_shown(annotation: pikepdf.Dictionary) -> bool:
    """Tell whether an annotation is of a kind that shows something on the page, and is not hidden."""
    kind = str(annotation.get("/Subtype", ""))
    return not (int(annotation.get("/F", 0)) & _HIDDEN_FLAGS or kind in _INVISIBLE_ANNOTATIONS)


def appearance(annotation: pikepdf.Dictionary) -> Any:
    """The normal appearance of an annotation, in its state; None if it has none."""
    appearances = annotation.get("/AP")
    normal = appearances.get("/N") if isinstance(appearances, pikepdf.Dictionary) else None
    if isinstance(normal, pikepdf.Stream) or not isinstance(normal, pikepdf.Dictionary):
        return normal
    state = annotation.get("/AS")
    return normal.get(str(state)) if isinstance(state, pikepdf.Name) else None


def is_of_unknown_kind(annotation: pikepdf.Dictionary) -> bool:
    """Tell whether PDF has no such kind of annotation: PDFium renders those by their appearance stream only."""
    return str(annotation.get("/Subtype", "")) not in _KINDS


def lacks_appearance(annotation: pikepdf.Dictionary) -> bool:
    """Tell whether an annotation without an appearance stream should show something that PDFium does not render."""
    kind = str(annotation.get("/Subtype", ""))
    given = annotation.get("/AP")
    if not isinstance(given, pikepdf.Dictionary):
        return kind in NOT_RENDERED
    entries = dict(given.items())
    if "/N" not in entries:
        return kind != "/Widget"  # the form environment renders its value
    # A dictionary without a stream for the present state is how a box is not ticked.
    return not isinstance(entries["/N"], pikepdf.Dictionary)


def called(annotation: pikepdf.Dictionary) -> str:
    """How messages name an annotation."""
    kind = str(annotation.get("/Subtype", "/Annot"))[1:]
    if kind == "Widget":
        return f"form field {str(inherited(annotation, '/T') or '')[:40]!r}"
    text = str(annotation.get("/Contents", annotation.get("/Name", "")))[:40]
    return f"annotation {kind} {text!r}"

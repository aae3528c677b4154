"""The text layer of a page, where it can stand for what is seen. When in doubt, the page is sent to the model.

A layer says less than the page, or something else, where the page shows images or outlines of letters, fields of a
form, stamps, or text that is hidden.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from pagemill.domain.pages.quality import text_layer_is_usable

_IMAGE_SHARE = 0.25  # of the page's area, over all images: more may hold text of its own
_MOST_CURVES = 200  # pieces of curves in paths: more may be letters in outlines
_MOST_SEGMENTS = 3000  # of paths, as in tables: more may be letters in strokes
_MOST_OBJECTS = 20_000
_MOST_COMPARED = 15  # texts with what is painted after them, times the objects; 0.1 s
_DEEPEST_FORM = 16
_HARMLESS_ANNOTATIONS = {pdfium_c.FPDF_ANNOT_LINK, pdfium_c.FPDF_ANNOT_POPUP}
_FORM, _IMAGE, _PATH = pdfium_c.FPDF_PAGEOBJ_FORM, pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_PATH
_SHADING, _TEXT = pdfium_c.FPDF_PAGEOBJ_SHADING, pdfium_c.FPDF_PAGEOBJ_TEXT
_UNSEEN_MODES = {pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium_c.FPDF_TEXTRENDERMODE_CLIP}
_WHITE = (255, 255, 255)

_Matrix = tuple[float, float, float, float, float, float]
_Box = tuple[float, float, float, float]  # left, bottom, right, top
_SAME: _Matrix = (1, 0, 0, 1, 0, 0)


class _Doubt(Exception):
    """The layer may not say what the page shows."""


def usable_text(page: pdfium.PdfPage, most_objects: int = _MOST_OBJECTS) -> str | None:
    """The embedded text of a page; None if it may not be all that the page shows, or not what it shows.

    Args:
        page: The page.
        most_objects: More objects than these are not looked at, and the layer is not used.
    """
    try:
        _check_annotations(page)
        _Seen(page, most_objects).check()
    except _Doubt:
        return None
    text: str = page.get_textpage().get_text_bounded()
    return text if text_layer_is_usable(text) else None


def _check_annotations(page: pdfium.PdfPage) -> None:
    for index in range(pdfium_c.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page, index)
        kind, flags = pdfium_c.FPDFAnnot_GetSubtype(annotation), pdfium_c.FPDFAnnot_GetFlags(annotation)
        pdfium_c.FPDFPage_CloseAnnot(annotation)
        if kind not in _HARMLESS_ANNOTATIONS and not flags & (pdfium_c.FPDF_ANNOT_FLAG_HIDDEN | 0x20):
            raise _Doubt


@dataclass(slots=True)
class _Seen:
    """What the objects of a page show beside its text, in the order in which they are painted."""

    page: pdfium.PdfPage
    most_objects: int
    images: float = 0.0  # area
    curves: int = 0
    segments: int = 0
    compared: int = 0
    texts: list[_Box] = field(default_factory=list)

    def check(self) -> None:
        """Raise _Doubt where something else than visible text may be read on the page."""
        area = math.prod(self.page.get_size())
        left = self.most_objects
        for kind, handle, matrix in _objects(self.page, self.most_objects):
            left -= 1
            if kind == _TEXT:
                self._add_text(handle, matrix)
            elif kind == _IMAGE:
                self.images += _area(box := _box(handle, matrix))
                self._check_cover(box)
            elif kind == _PATH:
                self._add_path(handle, matrix)
            elif kind == _SHADING:
                self._check_cover(_box(handle, matrix))
            busy = self.curves > _MOST_CURVES or self.segments > _MOST_SEGMENTS
            if left < 0 or busy or self.images > _IMAGE_SHARE * area:
                raise _Doubt

    def _add_text(self, handle: pdfium_c.FPDF_PAGEOBJECT, matrix: _Matrix) -> None:
        mode = pdfium_c.FPDFTextObj_GetTextRenderMode(handle)
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        known = pdfium_c.FPDFPageObj_GetFillColor(handle, red, green, blue, alpha)
        unseen = known and (alpha.value == 0 or (red.value, green.value, blue.value) == _WHITE)
        if mode in _UNSEEN_MODES or (unseen and mode == pdfium_c.FPDF_TEXTRENDERMODE_FILL):
            raise _Doubt  # it may be hidden; on a dark ground it is not, but the ground is not looked at
        self.texts.append(_box(handle, matrix))

    def _add_path(self, handle: pdfium_c.FPDF_PAGEOBJECT, matrix: _Matrix) -> None:
        segments = pdfium_c.FPDFPath_CountSegments(handle)
        self.segments += segments
        if self.segments <= _MOST_SEGMENTS:
            self.curves += sum(
                pdfium_c.FPDFPathSegment_GetType(pdfium_c.FPDFPath_GetPathSegment(handle, index))
                == pdfium_c.FPDF_SEGMENT_BEZIERTO
                for index in range(segments)
            )
        fill, stroked = ctypes.c_int(), ctypes.c_int()
        pdfium_c.FPDFPath_GetDrawMode(handle, fill, stroked)
        if fill.value != pdfium_c.FPDF_FILLMODE_NONE:
            self._check_cover(_box(handle, matrix))

    def _check_cover(self, box: _Box) -> None:
        """Raise _Doubt if something is painted over the middle of a text."""
        left, bottom, right, top = box
        self.compared += len(self.texts)
        if self.compared > _MOST_COMPARED * self.most_objects:
            raise _Doubt
        for text in self.texts:
            x, y = (text[0] + text[2]) / 2, (text[1] + text[3]) / 2
            if left < x < right and bottom < y < top:
                raise _Doubt


def _objects(page: pdfium.PdfPage, most: int) -> Iterator[tuple[int, pdfium_c.FPDF_PAGEOBJECT, _Matrix]]:
    """Yield the objects of a page and of the forms on it, with the matrices of these forms; without recursion.

    Raises:
        _Doubt: The page, or a form on it, has more than `most` objects, or forms are nested too deeply.
    """
    count, get = pdfium_c.FPDFPage_CountObjects(page), pdfium_c.FPDFPage_GetObject
    if count > most:
        raise _Doubt
    stack = [(iter([get(page, index) for index in range(count)]), _SAME)]
    while stack:
        level, matrix = stack[-1]
        handle = next(level, None)
        if handle is None:
            stack.pop()
            continue
        kind = pdfium_c.FPDFPageObj_GetType(handle)
        if kind == _FORM and len(stack) > _DEEPEST_FORM:
            raise _Doubt
        if kind == _FORM:
            inner = pdfium_c.FPDFFormObj_CountObjects(handle)
            if inner > most:
                raise _Doubt
            kids = [pdfium_c.FPDFFormObj_GetObject(handle, index) for index in range(inner)]
            stack.append((iter(kids), _times(_own_matrix(handle), matrix)))
        else:
            yield kind, handle, matrix


def _own_matrix(handle: pdfium_c.FPDF_PAGEOBJECT) -> _Matrix:
    found = pdfium_c.FS_MATRIX()
    if not pdfium_c.FPDFPageObj_GetMatrix(handle, found):
        return _SAME
    return found.a, found.b, found.c, found.d, found.e, found.f


def _times(inner: _Matrix, outer: _Matrix) -> _Matrix:
    a, b, c, d, e, f = inner
    p, q, r, s, t, u = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _box(handle: pdfium_c.FPDF_PAGEOBJECT, matrix: _Matrix) -> _Box:
    """The bounds of an object in the page's own coordinates; nothing if they are not known."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not pdfium_c.FPDFPageObj_GetBounds(handle, left, bottom, right, top):
        return 0.0, 0.0, 0.0, 0.0
    a, b, c, d, e, f = matrix
    corners = [(x, y) for x in (left.value, right.value) for y in (bottom.value, top.value)]
    xs, ys = [a * x + c * y + e for x, y in corners], [b * x + d * y + f for x, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _area(box: _Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])

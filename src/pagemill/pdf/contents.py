"""What a page's objects say before it is rendered: sizes of text, resolution of images, where anything is drawn."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from pagemill.domain.pages.sizes import Contents, Lettering
from pagemill.domain.pages.tiling import Box

Corners = tuple[float, float, float, float]  # left, bottom, right, top, in the page's own coordinates

_SAMPLED_OBJECTS = 48  # of a page of usual size; 0.2 ms
_MOST_OBJECTS = 20_000  # of a page of unusual size; 0.1 s
_DEEPEST_FORM = 8
_SCAN_SHARE = 0.5  # images that cover more than this of a page are the page
_SMALL_IMAGE = 0.02  # of the page; smaller ones are logos


@dataclass(frozen=True, slots=True)
class _Matrix:
    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def then(self, outer: _Matrix) -> _Matrix:
        return _Matrix(
            self.a * outer.a + self.b * outer.c,
            self.a * outer.b + self.b * outer.d,
            self.c * outer.a + self.d * outer.c,
            self.c * outer.b + self.d * outer.d,
            self.e * outer.a + self.f * outer.c + outer.e,
            self.e * outer.b + self.f * outer.d + outer.f,
        )

    def box(self, corners: Corners) -> Corners:
        left, bottom, right, top = corners
        xs, ys = zip(
            *(
                (self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f)
                for x in (left, right)
                for y in (bottom, top)
            ),
            strict=True,
        )
        return min(xs), min(ys), max(xs), max(ys)


_SAME = _Matrix(1, 0, 0, 1, 0, 0)


@dataclass(frozen=True, slots=True)
class _Thing:
    """An object of a page or of a form on it."""

    handle: pdfium_c.FPDF_PAGEOBJECT
    kind: int
    outer: _Matrix  # of the forms that it stands in

    def matrix(self) -> _Matrix:
        return _matrix(self.handle).then(self.outer)

    def corners(self) -> Corners | None:
        left, bottom, right, top = (ctypes.c_float() for _ in range(4))
        if not pdfium_c.FPDFPageObj_GetBounds(self.handle, left, bottom, right, top):
            return None
        return self.outer.box((left.value, bottom.value, right.value, top.value))


def sampled_lettering(page: pdfium.PdfPage) -> Contents:
    """The lettering of a page of usual size, from some of its objects."""
    return Contents(lettering=[run for run, _ in _text_runs(_things(page, _SAMPLED_OBJECTS))])


def contents(page: pdfium.PdfPage) -> Contents:
    """All that is known about a page. If it has too many objects, what they cover is not known."""
    things = list(_things(page, _MOST_OBJECTS + 1))
    places = [corners for thing in things if (corners := thing.corners())] + _annotations(page)
    display = _Display(page)
    return Contents(
        lettering=[replace(run, place=display.box(corners)) for run, corners in _text_runs(things)],
        scan_scale=_scan_scale(things, page),
        extent=display.union(places) if len(things) <= _MOST_OBJECTS and places else None,
    )


def _things(page: pdfium.PdfPage, most: int) -> Iterator[_Thing]:
    """Yield at most `most` objects that draw something, evenly chosen on each level."""
    left = [most]
    yield from _of_level(
        page.raw, pdfium_c.FPDFPage_CountObjects, pdfium_c.FPDFPage_GetObject, _SAME, left, _DEEPEST_FORM
    )


def _of_level(parent, count, get, outer: _Matrix, left: list[int], depth: int) -> Iterator[_Thing]:  # type: ignore[no-untyped-def] # noqa: ANN001, PLR0917 -- ctypes
    objects = count(parent)
    step = max(1, math.ceil(objects / max(left[0], 1)))
    for index in range(0, objects, step):
        if left[0] <= 0:
            return
        left[0] -= 1
        handle = get(parent, index)
        kind = pdfium_c.FPDFPageObj_GetType(handle)
        if kind == pdfium_c.FPDF_PAGEOBJ_FORM:
            if depth:
                inner = _matrix(handle).then(outer)
                yield from _of_level(
                    handle, pdfium_c.FPDFFormObj_CountObjects, pdfium_c.FPDFFormObj_GetObject, inner, left, depth - 1
                )
        else:
            yield _Thing(handle, kind, outer)


def _matrix(handle: pdfium_c.FPDF_PAGEOBJECT) -> _Matrix:
    found = pdfium_c.FS_MATRIX()
    if not pdfium_c.FPDFPageObj_GetMatrix(handle, found):
        return _SAME
    return _Matrix(found.a, found.b, found.c, found.d, found.e, found.f)


def _text_runs(things: Sequence[_Thing] | Iterator[_Thing]) -> Iterator[tuple[Lettering, Corners]]:
    for thing in things:
        if thing.kind != pdfium_c.FPDF_PAGEOBJ_TEXT or _is_invisible(thing):
            continue
        size = ctypes.c_float()
        corners = thing.corners()
        if not corners or not pdfium_c.FPDFTextObj_GetFontSize(thing.handle, size):
            continue
        matrix = thing.matrix()
        em = abs(size.value) * math.hypot(matrix.c, matrix.d)
        length = math.hypot(corners[2] - corners[0], corners[3] - corners[1])
        if em > 0 and length > 0:
            yield Lettering(em, length / em), corners


def _is_invisible(text: _Thing) -> bool:
    """Whether it is an earlier OCR's: its sizes may be anything."""
    return bool(pdfium_c.FPDFTextObj_GetTextRenderMode(text.handle) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE)


def _scan_scale(things: Sequence[_Thing], page: pdfium.PdfPage) -> float:
    """Pixels a unit of the finest image, where images cover most of the page; else 0."""
    page_area = math.prod(page.get_size())
    covered, finest = 0.0, 0.0
    for thing in things:
        if thing.kind != pdfium_c.FPDF_PAGEOBJ_IMAGE:
            continue
        width_px, height_px = ctypes.c_uint(), ctypes.c_uint()
        if not pdfium_c.FPDFImageObj_GetImagePixelSize(thing.handle, width_px, height_px):
            continue
        matrix = thing.matrix()
        area = abs(matrix.a * matrix.d - matrix.b * matrix.c)
        covered += area
        if area >= _SMALL_IMAGE * page_area:
            finest = max(
                finest,
                width_px.value / math.hypot(matrix.a, matrix.b),
                height_px.value / math.hypot(matrix.c, matrix.d),
            )
    return finest if covered > _SCAN_SHARE * page_area else 0.0


def _annotations(page: pdfium.PdfPage) -> list[Corners]:
    places = []
    for index in range(pdfium_c.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page, index)
        rect = pdfium_c.FS_RECTF()
        if annotation and pdfium_c.FPDFAnnot_GetRect(annotation, rect):
            places.append((rect.left, rect.bottom, rect.right, rect.top))
        pdfium_c.FPDFPage_CloseAnnot(annotation)
    return places


class _Display:
    """From a page's own coordinates to those of the page as it is displayed: turned and cropped."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        left, bottom, right, top = page.get_bbox()
        turned = {  # clockwise, as /Rotate is
            0: _Matrix(1, 0, 0, -1, -left, top),
            1: _Matrix(0, 1, 1, 0, -bottom, -left),
            2: _Matrix(-1, 0, 0, 1, right, -bottom),
            3: _Matrix(0, -1, -1, 0, top, right),
        }
        self._matrix = turned[pdfium_c.FPDFPage_GetRotation(page)]
        self._size = page.get_size()

    def box(self, corners: Corners) -> Box:
        return Box(*self._matrix.box(corners))

    def union(self, places: Sequence[Corners]) -> Box | None:
        """The part of the page that holds all places; None if none is on the page."""
        boxes = [box for box in map(self.box, places) if box.meets(Box(0, 0, *self._size))]
        if not boxes:
            return None
        width, height = self._size
        return Box(
            max(min(box.left for box in boxes), 0),
            max(min(box.top for box in boxes), 0),
            min(max(box.right for box in boxes), width),
            min(max(box.bottom for box in boxes), height),
        )

"""What a page's contents paint, where, and in which colours: a reader of content streams that renders nothing.

It answers two questions that PDFium does not: may an operator leave a mark on the page at all, and how much of the page
does an object cover that PDFium could not build. Boxes are never too small: they hold whatever is painted.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pikepdf

from pagemill.pdf import geometry
from pagemill.pdf.geometry import Box, Matrix
from pagemill.pdf.graphics_state import Colour, GraphicsState, TextObject, change, next_line
from pagemill.pdf.layers import Layers
from pagemill.pdf.objects import Resources, look_up, name_of
from pagemill.pdf.operands import as_matrix, as_numbers, last_name, string_bytes
from pagemill.pdf.streams import StreamDamaged, undo_filters
from pagemill.pdf.tokens import InlineImage, Operand, instructions

_MOST_INSTRUCTIONS = 300_000
_DEEPEST_FORM = 12
_FILLS = {b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"}
_STROKES = {b"S", b"s", b"B", b"B*", b"b", b"b*"}
_ENDS_OF_PATHS = _FILLS | _STROKES | {b"n"}
_SHOWS_TEXT = {b"Tj", b"TJ", b"'", b'"'}
_INVISIBLE_MODES = {3, 7}
_STROKING_MODES, _FILLING_MODES = {1, 2, 5, 6}, {0, 2, 4, 6}
_WIDEST_GLYPH = 2.0  # of the font's size


class TooManyInstructions(Exception):
    """The contents are too long to be followed."""


@dataclass(frozen=True, slots=True)
class Paint:
    """One thing that is painted."""

    kind: str  # text, path, image, shading
    what: str  # for messages
    box: Box  # on the page, clipped; empty if it lies outside
    colours: tuple[Colour, ...]  # of what is filled and stroked
    hidden: bool  # in a layer that is off, transparent throughout, or invisible text
    covers: bool  # its box is filled throughout, and opaque (if its own data is)
    image: pikepdf.Stream | InlineImage | None = None
    font: Any = None
    text: bytes = b""
    resources: Resources = ()


@dataclass
class Painter:
    """Follows the contents of one page."""

    page_box: Box
    layers: Layers
    tolerant: bool = False  # a form that does not decode is something that is painted, not an error
    _left: int = _MOST_INSTRUCTIONS
    _forms: list[tuple[int, int]] = field(default_factory=list)

    def paint(self, data: bytes, resources: Resources, *, matrix: Matrix = geometry.IDENTITY) -> Iterator[Paint]:
        """Yield what contents paint.

        Raises:
            ContentsDamaged: They are no operators to their end.
            StreamDamaged: A form's contents do not decode.
            TooManyInstructions: They are too long.
        """
        yield from self._contents(data, resources, GraphicsState(matrix, self.page_box), hidden=False)

    def paint_form(self, form: pikepdf.Stream, resources: Resources, matrix: Matrix) -> Iterator[Paint]:
        """Yield what a form XObject paints; raises as `paint` does."""
        yield from self._form(form, resources, GraphicsState(matrix, self.page_box), hidden=False)

    def _contents(self, data: bytes, resources: Resources, state: GraphicsState, *, hidden: bool) -> Iterator[Paint]:  # noqa: C901, PLR0912, PLR0915 -- one branch an operator
        stack: list[GraphicsState] = []
        marks: list[bool] = [hidden]  # one entry an open marked content: whether all in it is hidden
        path: list[tuple[float, float]] = []
        rectangle_only, clips = True, False
        text = TextObject()
        for step in instructions(data):
            self._left -= 1
            if self._left < 0:
                raise TooManyInstructions
            if isinstance(step, InlineImage):
                yield self._image("an inline image", step, state, resources, hidden=marks[-1])
                continue
            operator, operands = step.operator, step.operands
            if operator == b"q":
                stack.append(copy.copy(state))
            elif operator == b"Q":
                state = stack.pop() if stack else state
            elif operator == b"cm":
                state.ctm = geometry.multiply(as_matrix(operands), state.ctm)
            elif operator in {b"BDC", b"BMC"}:
                marks.append(marks[-1] or (operator == b"BDC" and self._is_off(operands, resources)))
            elif operator == b"EMC":
                marks = marks[:-1] if len(marks) > 1 else marks
            elif operator == b"re":
                x, y, width, height = as_numbers(operands, 4)
                corners = ((x, y), (x + width, y), (x, y + height), (x + width, y + height))
                rectangle_only = rectangle_only and not path
                path += [geometry.apply(state.ctm, *corner) for corner in corners]
            elif operator in {b"m", b"l", b"c", b"v", b"y"}:
                numbers = as_numbers(operands)
                rectangle_only = False
                path += [geometry.apply(state.ctm, *point) for point in zip(numbers[::2], numbers[1::2], strict=False)]
            elif operator in {b"W", b"W*"}:
                clips = True
            elif operator in _ENDS_OF_PATHS:
                exact = rectangle_only and geometry.is_upright(state.ctm)
                if path and operator != b"n":
                    yield self._path(path, operator, state, exact=exact, hidden=marks[-1])
                if clips and path:
                    state.clip = geometry.intersection(state.clip, geometry.around(path))
                    state.exact_clip = state.exact_clip and exact
                path, rectangle_only, clips = [], True, False
            elif operator == b"BT":
                text = TextObject()
            elif operator in _SHOWS_TEXT:
                yield from self._show(operator, operands, state, text, resources, hidden=marks[-1])
            elif operator == b"Do":
                yield from self._do(last_name(operands), state, resources, hidden=marks[-1])
            elif operator == b"sh":
                name = last_name(operands)
                yield Paint(
                    "shading", f"shading {name[1:]}", state.clip, (None,), _faded(state, marks[-1]), covers=False
                )
            else:
                change(state, text, operator, operands, resources)

    def _is_off(self, operands: list[Operand], resources: Resources) -> bool:
        if len(operands) < 2 or operands[0] != b"/OC" or not isinstance(operands[1], bytes):  # noqa: PLR2004
            return False
        return self.layers.hide(look_up(resources, "/Properties", name_of(operands[1])))

    def _path(
        self, points: list[tuple[float, float]], operator: bytes, state: GraphicsState, *, exact: bool, hidden: bool
    ) -> Paint:
        box = geometry.around(points)
        colours: list[Colour] = []
        seen = False
        if operator in _FILLS:
            colours.append(state.fill)
            seen = seen or state.fill_alpha > 0
        if operator in _STROKES:
            colours.append(state.stroke)
            seen = seen or state.stroke_alpha > 0
            box = _widened(box, _width_on_page(state))
        covers = exact and operator in _FILLS and state.fill_alpha >= 1 and state.exact_clip and not state.masked
        box = geometry.intersection(box, state.clip)
        return Paint("path", "a path", box, tuple(colours), hidden or not seen, covers=covers)

    def _show(
        self,
        operator: bytes,
        operands: list[Operand],
        state: GraphicsState,
        text: TextObject,
        resources: Resources,
        *,
        hidden: bool,
    ) -> Iterator[Paint]:
        if operator in {b"'", b'"'}:
            next_line(text, 0, -state.leading)
        shown = operands[-1] if operands else b""
        parts = shown if isinstance(shown, list) else [shown]
        data = b"".join(string_bytes(part) for part in parts if isinstance(part, bytes))
        moved = sum(abs(part) for part in parts if isinstance(part, float)) / 1000 * abs(state.size)
        if not data:
            text.reach += moved
            return
        widest = _WIDEST_GLYPH * abs(state.size) + abs(state.spacing) + abs(state.word_spacing)
        text.reach += moved + len(data) * widest * max(abs(state.stretch), 1)
        size, reach = abs(state.size), text.reach
        is_composite = isinstance(state.font, pikepdf.Dictionary) and state.font.get("/Subtype") == pikepdf.Name.Type0
        down = reach if is_composite else 0.0  # it may be written from top to bottom
        local = (-reach, state.rise - 2 * size - down, reach, state.rise + 2 * size + down)
        on_page = geometry.transformed(local, geometry.multiply(text.matrix, state.ctm))
        if _is_type_3(state.font):
            on_page = self.page_box  # its glyphs may be of any size
        colours = [state.fill] if state.mode in _FILLING_MODES else []
        colours += [state.stroke] if state.mode in _STROKING_MODES else []
        alphas = [state.fill_alpha] if state.mode in _FILLING_MODES else []
        alphas += [state.stroke_alpha] if state.mode in _STROKING_MODES else []
        invisible = (state.mode in _INVISIBLE_MODES and not _is_type_3(state.font)) or not any(alphas or [1.0])
        box = geometry.intersection(on_page, state.clip)
        yield Paint(
            "text",
            "text",
            box,
            tuple(colours),
            hidden or invisible,
            covers=False,
            font=state.font,
            text=data,
            resources=resources,
        )

    def _do(self, name: str, state: GraphicsState, resources: Resources, *, hidden: bool) -> Iterator[Paint]:
        thing = look_up(resources, "/XObject", name)
        if not isinstance(thing, pikepdf.Stream):
            box = geometry.intersection(geometry.transformed((0, 0, 1, 1), state.ctm), state.clip)
            yield Paint("object", f"object {name[1:]}", box, (None,), hidden, covers=False)
            return
        if thing.get("/Subtype") == pikepdf.Name.Form:
            yield from self._form(thing, resources, copy.copy(state), hidden=hidden)
            return
        hidden = hidden or self.layers.hide(thing.get("/OC"))
        yield self._image(f"image {name[1:]}", thing, state, resources, hidden=hidden)

    def _form(
        self, form: pikepdf.Stream, resources: Resources, state: GraphicsState, *, hidden: bool
    ) -> Iterator[Paint]:
        if form.objgen in self._forms or len(self._forms) > _DEEPEST_FORM:
            return  # PDFium does not render a form inside itself
        state.ctm = geometry.multiply(geometry.read_matrix(form.get("/Matrix")), state.ctm)
        bounds = geometry.read_box(form.get("/BBox"))
        if bounds:
            state.clip = geometry.intersection(state.clip, geometry.transformed(bounds, state.ctm))
            state.exact_clip = state.exact_clip and geometry.is_upright(state.ctm)
        own = form.get("/Resources")
        inner = (own, *resources) if isinstance(own, pikepdf.Dictionary) else resources
        hidden = hidden or self.layers.hide(form.get("/OC"))
        try:
            data = undo_filters(form).data
        except StreamDamaged:
            if not self.tolerant:
                raise
            yield Paint("form", "a form", state.clip, (None,), hidden, covers=False)
            return
        self._forms.append(form.objgen)
        yield from self._contents(data, inner, state, hidden=hidden)
        self._forms.pop()

    def _image(
        self,
        what: str,
        image: pikepdf.Stream | InlineImage,
        state: GraphicsState,
        resources: Resources,
        *,
        hidden: bool,
    ) -> Paint:
        box = geometry.intersection(geometry.transformed((0, 0, 1, 1), state.ctm), state.clip)
        entries = image.entries if isinstance(image, InlineImage) else image
        is_stencil = _is_true(entries, "/ImageMask", "/IM")
        masked = state.masked or is_stencil or any(key in entries for key in ("/SMask", "/Mask"))
        covers = geometry.is_upright(state.ctm) and state.exact_clip and state.fill_alpha >= 1 and not masked
        colours = (state.fill,) if is_stencil else ()
        return Paint(
            "image", what, box, colours, _faded(state, hidden), covers=covers, image=image, resources=resources
        )


def _is_true(entries: Any, *keys: str) -> bool:
    if isinstance(entries, pikepdf.Stream):
        return any(bool(entries.get(key, False)) for key in keys)
    return any(entries.get(key.encode()) == b"true" for key in keys)


def _is_type_3(font: Any) -> bool:
    return isinstance(font, pikepdf.Dictionary) and font.get("/Subtype") == pikepdf.Name.Type3


def _faded(state: GraphicsState, hidden: bool) -> bool:  # noqa: FBT001 -- a plain or
    return hidden or state.fill_alpha <= 0


def _width_on_page(state: GraphicsState) -> float:
    a, b, c, d, _, _ = state.ctm
    return state.line_width * max(abs(a) + abs(c), abs(b) + abs(d)) + 1


def _widened(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by

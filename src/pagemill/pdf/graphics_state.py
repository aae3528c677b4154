"""The graphics state of a content stream (PDF 1.7, 8.4), and the operators that change it and paint nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pikepdf

from pagemill.pdf import geometry
from pagemill.pdf.geometry import Box, Matrix
from pagemill.pdf.image_data import components
from pagemill.pdf.objects import Resources, look_up
from pagemill.pdf.operands import as_matrix, as_numbers, last_name
from pagemill.pdf.tokens import Operand

Colour = tuple[int, int, int] | None  # red, green, blue of 255; None where it is not known

_COLOUR_COUNTS = {b"g": 1, b"rg": 3, b"k": 4, b"G": 1, b"RG": 3, b"K": 4}


@dataclass(slots=True)
class GraphicsState:
    """The graphics state, as far as it decides whether there is a mark."""

    ctm: Matrix
    clip: Box
    exact_clip: bool = True
    fill: Colour = (0, 0, 0)
    stroke: Colour = (0, 0, 0)
    fill_space: int | None = 1
    stroke_space: int | None = 1
    fill_alpha: float = 1.0
    stroke_alpha: float = 1.0
    line_width: float = 1.0
    masked: bool = False
    font: Any = None
    size: float = 0.0
    mode: int = 0
    leading: float = 0.0
    rise: float = 0.0
    spacing: float = 0.0
    word_spacing: float = 0.0
    stretch: float = 1.0


@dataclass(slots=True)
class TextObject:
    """The text object: where its line begins, and how far text may reach from there."""

    matrix: Matrix = geometry.IDENTITY
    reach: float = 0.0


def change(  # noqa: C901, PLR0912 -- one branch an operator
    state: GraphicsState, text: TextObject, operator: bytes, operands: list[Operand], resources: Resources
) -> None:
    """Change the state as an operator that paints nothing does."""
    if operator in _COLOUR_COUNTS:
        colour = _device_colour(as_numbers(operands))
        if operator.islower():
            state.fill, state.fill_space = colour, _COLOUR_COUNTS[operator]
        else:
            state.stroke, state.stroke_space = colour, _COLOUR_COUNTS[operator]
    elif operator in {b"cs", b"CS"}:
        space, colour = _space(last_name(operands), resources)
        if operator == b"cs":
            state.fill_space, state.fill = space, colour
        else:
            state.stroke_space, state.stroke = space, colour
    elif operator in {b"sc", b"scn"}:
        state.fill = _colour_in(state.fill_space, operands)
    elif operator in {b"SC", b"SCN"}:
        state.stroke = _colour_in(state.stroke_space, operands)
    elif operator == b"gs":
        _apply_parameters(state, look_up(resources, "/ExtGState", last_name(operands)))
    elif operator == b"w":
        (state.line_width,) = as_numbers(operands, 1)
    elif operator == b"Tf":
        state.size = as_numbers(operands, 2)[1]
        state.font = look_up(resources, "/Font", last_name(operands[:1]))
    elif operator in {b"Td", b"TD"}:
        x, y = as_numbers(operands, 2)
        if operator == b"TD":
            state.leading = -y
        next_line(text, x, y)
    elif operator == b"Tm":
        text.matrix, text.reach = as_matrix(operands), 0.0
    elif operator == b"T*":
        next_line(text, 0, -state.leading)
    elif operator in {b"Tr", b"TL", b"Ts", b"Tz", b"Tc", b"Tw"}:
        (number,) = as_numbers(operands, 1)
        attribute = {
            b"Tr": "mode",
            b"TL": "leading",
            b"Ts": "rise",
            b"Tz": "stretch",
            b"Tc": "spacing",
            b"Tw": "word_spacing",
        }[operator]
        setattr(state, attribute, {b"Tr": int(number), b"Tz": number / 100}.get(operator, number))


def next_line(text: TextObject, x: float, y: float) -> None:
    """Move to a line that begins at an offset from where the present line begins."""
    text.matrix = geometry.multiply((1, 0, 0, 1, x, y), text.matrix)
    text.reach = 0.0


def _device_colour(values: list[float]) -> Colour:
    if len(values) == 1:
        values = values * 3
    if len(values) == 3:  # noqa: PLR2004 -- red, green, blue
        red, green, blue = (round(255 * min(max(value, 0.0), 1.0)) for value in values)
        return red, green, blue
    return (255, 255, 255) if values and not any(values) else None  # no ink; other CMYK colours are PDFium's to mix


def _space(name: str, resources: Resources) -> tuple[int | None, Colour]:
    space = look_up(resources, "/ColorSpace", name)
    count = components(space if space is not None else pikepdf.Name(name) if len(name) > 1 else None)
    family = str(space[0]) if isinstance(space, pikepdf.Array) and len(space) else name
    if family in {"/Indexed", "/Separation", "/DeviceN", "/Lab", "/Pattern"} or count is None:
        return None, None
    return count, (0, 0, 0)


def _colour_in(space: int | None, operands: list[Operand]) -> Colour:
    if space is None or len(operands) != space or not all(isinstance(operand, float) for operand in operands):
        return None
    return _device_colour(as_numbers(operands))


def _apply_parameters(state: GraphicsState, parameters: Any) -> None:
    if not isinstance(parameters, pikepdf.Dictionary):
        return
    if "/ca" in parameters:
        state.fill_alpha = float(parameters["/ca"])
    if "/CA" in parameters:
        state.stroke_alpha = float(parameters["/CA"])
    if "/LW" in parameters:
        state.line_width = float(parameters["/LW"])
    mask = parameters.get("/SMask")
    if mask is not None:
        state.masked = not (isinstance(mask, pikepdf.Name) and str(mask) == "/None")
    font = parameters.get("/Font")
    if isinstance(font, pikepdf.Array) and len(font) == 2:  # noqa: PLR2004 -- font and size
        state.font, state.size = font[0], float(font[1])

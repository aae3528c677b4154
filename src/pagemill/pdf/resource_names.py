"""The names by which contents use resources: fonts, objects, graphics states, patterns, shadings, colour spaces."""

from __future__ import annotations

import re
from typing import Any

from pagemill.pdf.objects import Resources, look_up, name_of
from pagemill.pdf.tokens import OPERATORS, ContentsDamaged, InlineImage, instructions

Use = tuple[bytes, bytes]  # an operator, and the name that it uses, as written and without the slash

_NAMES_IN_USE = re.compile(
    rb"/([^\x00-\x20()<>\[\]{}/%]*)[\x00\t\n\x0c\r ]+"
    rb"(?:(Do|gs|sh|scn|SCN|cs|CS)|[-+\d.]+[\x00\t\n\x0c\r ]+(Tf))(?=[\x00\t\n\x0c\r /\[(<%]|$)"
)
_LAST_WORD = re.compile(rb"([A-Za-z'\"*][A-Za-z0-9*]*)[\x00\t\n\x0c\r ]*$")
_LAST_BYTES = 64
_CATEGORIES = {
    b"Do": "/XObject",
    b"gs": "/ExtGState",
    b"sh": "/Shading",
    b"scn": "/Pattern",
    b"SCN": "/Pattern",
    b"cs": "/ColorSpace",
    b"CS": "/ColorSpace",
    b"Tf": "/Font",
}
_KINDS = {
    "/XObject": "object",
    "/ExtGState": "graphics state",
    "/Shading": "shading",
    "/Pattern": "pattern",
    "/ColorSpace": "colour space",
    "/Font": "font",
}
_DEVICE_SPACES = {"/DeviceGray", "/DeviceRGB", "/DeviceCMYK", "/Pattern", "/G", "/RGB", "/CMYK", "/I"}


def names_in_use(data: bytes) -> set[Use]:
    """Search contents for names in use. It is fast. What looks like one inside a string is found, too."""
    return {(match[2] or match[3], match[1]) for match in _NAMES_IN_USE.finditer(data)}


def names_of_instructions(data: bytes) -> tuple[set[Use], str]:
    """Read contents operator by operator: the names that they use, and what is wrong with them, or an empty text."""
    names: set[Use] = set()
    try:
        for step in instructions(data):
            if isinstance(step, InlineImage) or step.operator not in _CATEGORIES:
                continue
            name = step.operands[0 if step.operator == b"Tf" else -1]
            if isinstance(name, bytes) and name.startswith(b"/"):
                names.add((step.operator, name[1:]))
    except ContentsDamaged as error:
        return names, str(error)
    return names, ""


def ends_with_an_operator(data: bytes) -> bool:
    """Tell whether the last word of contents is an operator. Empty contents pass."""
    tail = data[-_LAST_BYTES:]
    last = _LAST_WORD.search(tail)
    return not tail.strip() or (last is not None and last[1] in OPERATORS)


def resolved(resources: Resources, operator: bytes, name: bytes) -> Any:
    """What a name stands for; None if it is missing."""
    key = name_of(b"/" + name)
    if operator in {b"cs", b"CS"} and key in _DEVICE_SPACES:
        return key
    return look_up(resources, _CATEGORIES[operator], key)


def described(operator: bytes, name: bytes) -> str:
    """How messages name what an operator uses: font F1."""
    return f"{_KINDS[_CATEGORIES[operator]]} {name_of(b'/' + name)[1:]}"

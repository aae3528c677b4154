"""Operands of a content stream's operators as values: numbers, a matrix, a name, a string.

An operand of another kind becomes the number 0, an empty name or an empty string. It is not an error here.
"""

from __future__ import annotations

import pikepdf

from pagemill.pdf.geometry import Matrix
from pagemill.pdf.objects import name_of
from pagemill.pdf.tokens import Operand


def as_numbers(operands: list[Operand], count: int = 0) -> list[float]:
    """The operands as numbers; with `count`, so many, as unknown operators between BX and EX are not checked."""
    numbers = [operand if isinstance(operand, float) else 0.0 for operand in operands]
    return (numbers + [0.0] * count)[:count] if count else numbers


def as_matrix(operands: list[Operand]) -> Matrix:
    """The first six operands as a matrix."""
    a, b, c, d, e, f = as_numbers(operands, 6)
    return a, b, c, d, e, f


def last_name(operands: list[Operand]) -> str:
    """The last operand as a name, as pikepdf spells it; "/" if it is none."""
    return name_of(operands[-1] if operands and isinstance(operands[-1], bytes) else b"/")


def string_bytes(token: bytes) -> bytes:
    """The bytes of a string, from how a content stream spells it."""
    return bytes(pikepdf.Object.parse(token)) if token[:1] in {b"(", b"<"} else b""

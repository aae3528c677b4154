"""Content streams, token by token, strictly: what PDFium skips without a word raises here.

PDF 1.7, 7.8.2: a content stream is operands, each followed by its operator. A stream that was damaged still decodes to
bytes; that they are no longer operators is the only sign of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

Operand = float | bytes | list["Operand"]  # numbers; names and strings with their delimiters; arrays

_SPACE = rb"[\x00\t\n\x0c\r ]"
_TOKEN = re.compile(
    rb"(?:[\x00\t\n\x0c\r ]+|%[^\r\n]*)"
    rb"|([+-]*(?:\d+\.?[\d-]*|\.\d[\d-]*|\.)(?![^\x00\t\n\x0c\r ()<>\[\]{}/%A-Za-z'\"]))"  # 1 number
    rb"|([A-Za-z'\"][A-Za-z0-9*'\"]*)"  # 2 operator
    rb"|(/[^\x00-\x20()<>\[\]{}/%]*)"  # 3 name
    rb"|(\((?:[^()\\]++|\\[\s\S]|\((?:[^()\\]++|\\[\s\S])*+\))*+\)|<[0-9A-Fa-f\s\x00]*>)"  # 4 string
    rb"|(<<|\[)|(>>|\])"  # 5, 6 begin and end of a collection
)
_STRING_PART = re.compile(rb"[()]|\\[\s\S]")
_NUMBER, _OPERATOR, _NAME, _STRING, _BEGIN, _END = range(1, 7)
_ZEROED = bytes(8)  # eight zero bytes in a row: what a damaged disk leaves, and no producer writes
_INLINE_END = re.compile(_SPACE + rb"EI(?=[\x00\t\n\x0c\r /]|$)")
_BINARY = re.compile(rb"[^\t\n\x0c\r -~]")
_LOOKAHEAD = 24  # bytes after EI that must look like operators

# Operators and the number of their operands; None: any (PDF 1.7, annex A).
OPERATORS: dict[bytes, int | None] = {
    name.encode(): count
    for count, names in {
        0: "b B b* B* BT BX EMC ET EX f F f* h n q Q s S T* W W*",
        1: "BMC Do g G gs i j J M MP ri sh Tc TL Tr Ts Tw Tz w ' Tj TJ CS cs",
        2: "BDC d d0 DP l m Td TD Tf",
        3: 'RG rg "',
        4: "K k re v y",
        6: "c cm d1 Tm",
        None: "SC SCN sc scn",
    }.items()
    for name in names.split()
}
_CONSTANTS = {b"true", b"false", b"null"}


class ContentsDamaged(Exception):
    """The bytes are no content stream, or not to their end; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operator with its operands."""

    operator: bytes
    operands: list[Operand]


@dataclass(frozen=True, slots=True)
class InlineImage:
    """`BI` to `EI`: entries with the names as written, and the data."""

    entries: dict[bytes, Operand]
    data: bytes


def instructions(data: bytes) -> Iterator[Instruction | InlineImage]:  # noqa: C901, PLR0912 -- one branch a kind of token
    """Read a whole content stream.

    Raises:
        ContentsDamaged: A byte is part of no token, an operator is unknown or lacks operands, or the last is cut off.
    """
    position = 0
    operands: list[Operand] = []
    open_collections: list[list[Operand]] = []
    lenient = 0  # between BX and EX, unknown operators are allowed
    match_token = _TOKEN.match
    zeroed = _zeroed_from(data, 0)
    while position < len(data):
        match = match_token(data, position)
        if not match:
            start, position = position, _end_of_nested_string(data, position)
            operands.append(data[start:position])
            continue
        position, kind = match.end(), match.lastindex
        if position > zeroed:
            raise ContentsDamaged(f"the contents are damaged: the bytes from {zeroed} on are zeroed")
        if kind == _NUMBER:
            operands.append(_number(match[0]))
        elif kind in {_NAME, _STRING}:
            operands.append(match[0])
        elif kind == _BEGIN:
            open_collections.append(operands)
            operands = []
        elif kind == _END:
            if not open_collections:
                raise ContentsDamaged(_unreadable(data, match.start()))
            closed, operands = operands, open_collections.pop()
            operands.append(closed)
        elif kind is None:
            continue
        elif match[0] in _CONSTANTS:
            operands.append(match[0])
        elif open_collections:
            raise ContentsDamaged(_unreadable(data, match.start()))
        elif match[0] == b"BI":
            image, position = _inline_image(data, position)
            zeroed = _zeroed_from(data, position)
            yield image
        else:
            lenient += {b"BX": 1, b"EX": -1}.get(match[0], 0)
            if not lenient:
                _check(match[0], operands, match.start())
            yield Instruction(match[0], operands)
            operands = []
    if operands or open_collections:
        raise ContentsDamaged("the contents end early: the last operator is missing")


def _zeroed_from(data: bytes, start: int) -> int:
    found = data.find(_ZEROED, start)
    return found if found >= 0 else len(data)


def _end_of_nested_string(data: bytes, start: int) -> int:
    """Find the end of a string with parentheses in parentheses in parentheses, which no pattern can."""
    depth = 0
    for match in _STRING_PART.finditer(data, start) if data.startswith(b"(", start) else ():
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    raise ContentsDamaged(_unreadable(data, start))


def _number(token: bytes) -> float:
    try:
        return float(token)
    except ValueError:  # "--5", "4-3", ".": readers take what they can
        digits = re.search(rb"\d+\.?\d*|\.\d+", token)
        return float(digits[0]) * (-1 if token.startswith(b"-") else 1) if digits else 0.0


def _unreadable(data: bytes, position: int) -> str:
    if data[position : position + 1] in {b"(", b"<"}:
        return "the contents end early: a string is not closed"
    return f"the contents are damaged at byte {position} of {len(data)}"


def _check(operator: bytes, operands: list[Operand], position: int) -> None:
    if operator not in OPERATORS:
        raise ContentsDamaged(f"the contents are damaged at byte {position}: {operator[:20].decode()!r} is no operator")
    wanted = OPERATORS[operator]
    if wanted is not None and len(operands) != wanted:
        what = f"{operator.decode()} with {len(operands)} operands, not {wanted}"
        raise ContentsDamaged(f"the contents are damaged at byte {position}: {what}")


def _inline_image(data: bytes, position: int) -> tuple[InlineImage, int]:
    entries: list[Operand] = []
    stack: list[list[Operand]] = []
    while True:
        match = _TOKEN.match(data, position)
        if not match:
            raise ContentsDamaged(f"the contents are damaged at byte {position}: an inline image has no data")
        position, kind = match.end(), match.lastindex
        if kind == _OPERATOR and match[0] == b"ID":
            break
        if kind == _BEGIN:
            stack.append(entries)
            entries = []
        elif kind == _END:
            if not stack:
                raise ContentsDamaged(f"the contents are damaged at byte {match.start()}: in an inline image")
            closed, entries = entries, stack.pop()
            entries.append(closed)
        elif kind is not None:
            entries.append(_number(match[0]) if kind == _NUMBER else match[0])
    start = position + 1  # one white-space byte stands between ID and the data
    for end in _INLINE_END.finditer(data, position):
        if not _BINARY.search(data, end.end(), end.end() + _LOOKAHEAD):
            pairs = zip(entries[::2], entries[1::2], strict=False)
            named = {name: value for name, value in pairs if isinstance(name, bytes)}
            return InlineImage(named, data[start : end.start()]), end.end()
    raise ContentsDamaged("the contents end early: an inline image has no end")

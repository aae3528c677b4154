"""Is a JPEG's picture whole? The format has no checksum: its structure tells, and what its data decodes to.

A damaged bit rarely stops a decoder. It reads on at the wrong place, finds its way after some blocks, and goes on to
the end: the picture then has too many blocks or too few, and is shifted by as many. So the blocks that the data holds
are counted: it is decoded, at an eighth of its size, as a picture that is some rows higher than it is. Where the number
is right, a wrong brightness is left, which `jpeg_levels` looks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # it has stubs, and does not say so
from numpy.typing import NDArray

from pagemill.pdf.jpeg_levels import find_step
from pagemill.pdf.streams import PartlyDamaged, StreamDamaged

_MARK = re.compile(rb"\xff([^\x00\xff])")  # a fixed first byte, which is searched for quickly
_START, _END, _SCAN, _RESTARTS, _TABLES = 0xD8, 0xD9, 0xDA, 0xDD, 0xC4
_BASELINE, _SEQUENTIAL, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_ALONE = {0x01, *range(0xD0, 0xD8)}  # marks without a segment
_AFTER_A_SCAN = {0xC4, 0xCC, *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE}  # tables, scans, comments
_START_WITHIN = 1024
_ZEROED = bytes(12)
_LENGTHS = 16  # of codes, in bits: a table begins with the number of codes of each
_ENDS_A_BLOCK, _SKIPS_SIXTEEN = 0x00, 0xF0  # symbols for values that are all 0
_EXTRA_ROWS = 2  # of blocks
_HIGHEST = 65_000  # px: with these rows, the format's limit is near
_HARMLESS_BYTES = b"\x00\xff"  # with which some scanners fill the data up
_LARGE_SHARE = 0.1  # of the picture: if more is missing, it is not partly, but mainly lost
_ILLEGIBLE_STEP = 96  # of 255: beyond, text and paper may look the same
_DAMAGE = ("premature end", "bad huffman code", "extraneous bytes", "instead of rst", "unsupported marker")


@dataclass(slots=True)
class _Frame:
    """What a JPEG says of itself."""

    process: int = 0  # the mark of its frame
    height_at: int = 0  # where its height is written
    height: int = 0
    width: int = 0
    sampling: list[tuple[int, int]] = field(default_factory=list)  # of each component, horizontally and vertically
    scans: int = 0
    restarts: bool = False
    flat_zeros: set[bool] = field(default_factory=set)  # of each table: whether flat areas may be coded by zeroed bytes
    begin: int = 0  # of its first scan
    end: int = 0  # where its end mark is

    def is_one_sequence(self) -> bool:
        """Whether all blocks are coded one after the other, each once, all components together."""
        plain = self.process in {_BASELINE, _SEQUENTIAL} and self.scans == 1 and not self.restarts
        if not plain or not self.sampling or self.height > _HIGHEST:
            return False
        return self.sampling[0] == tuple(map(max, zip(*self.sampling, strict=True)))

    def unit(self) -> tuple[int, int]:
        """Blocks of the first component that are coded together, horizontally and vertically."""
        return self.sampling[0] if len(self.sampling) > 1 else (1, 1)


def check(data: bytes) -> None:
    """Check a JPEG's structure, then its picture.

    Raises:
        StreamDamaged: It is not whole.
    """
    start = data.find(b"\xff\xd8", 0, _START_WITHIN)
    if start < 0:
        raise StreamDamaged("its data is no JPEG: the start is missing")
    data = data[start:]
    _check_picture(data, _frame(data))


def _frame(data: bytes) -> _Frame:
    """Walk from mark to mark.

    Raises:
        StreamDamaged: There is a mark that cannot be there, or one is missing.
    """
    frame, frames, position = _Frame(), 0, 2
    while match := _MARK.search(data, position):
        mark, position = match[1][0], match.end()
        if mark == _END:
            if not (frame.scans and frames):
                raise StreamDamaged("its JPEG data holds no picture")
            frame.end = match.start()
            return frame
        if mark in _ALONE:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if mark == _START or length < 2 or (frame.scans and mark not in _AFTER_A_SCAN):  # noqa: PLR2004 -- the length counts itself
            kind = PartlyDamaged if match.start() > (1 - _LARGE_SHARE) * len(data) else StreamDamaged
            raise kind("its JPEG data is damaged: decoders go no further than a mark in it that has no meaning")
        if mark in _FRAMES:
            frames += 1
            _read_frame(frame, mark, position, data)
        if mark == _TABLES:
            frame.flat_zeros.update(_flat_zeros(data[position + 2 : position + length]))
        if mark == _SCAN:
            frame.scans += 1
            frame.begin = frame.begin or position + length
        if mark == _RESTARTS:
            frame.restarts = any(data[position + 2 : position + length])  # 0: there are none
        position += length
    raise StreamDamaged("its JPEG data ends early")


def _read_frame(frame: _Frame, mark: int, position: int, data: bytes) -> None:
    segment = data[position : position + int.from_bytes(data[position : position + 2], "big")]
    frame.process, frame.height_at = mark, position + 3
    frame.height, frame.width = (int.from_bytes(segment[at : at + 2], "big") for at in (3, 5))
    frame.sampling = [(sampling >> 4, sampling & 15) for sampling in segment[9::3]]


def _flat_zeros(tables: bytes) -> Iterator[bool]:
    """Of each Huffman table of a block's details: whether its code of zeros stands for values that are 0."""
    while len(tables) > _LENGTHS + 1:
        codes = sum(tables[1 : _LENGTHS + 1])
        if tables[0] >> 4:
            yield tables[_LENGTHS + 1] in {_ENDS_A_BLOCK, _SKIPS_SIXTEEN}
        tables = tables[_LENGTHS + 1 + codes :]


def _check_picture(data: bytes, frame: _Frame) -> None:
    """Decode the picture, as far as libjpeg can: PDFium knows no other kinds of JPEG either.

    Raises:
        StreamDamaged: It is not whole.
    """
    try:
        simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return
    _check_for_zeroed_bytes(data, frame)
    if not frame.is_one_sequence():
        picture = _decoded(data, frame)
    else:
        picture, surplus = _counted(data, frame)
        if surplus and picture is not None:
            picture = _judged(data, frame, picture, surplus)
    for levels in _levels(picture) if picture is not None else ():
        if step := find_step(levels):
            illegible = abs(step.height) >= _ILLEGIBLE_STEP and step.row < (1 - _LARGE_SHARE) * len(levels)
            kind = StreamDamaged if illegible else PartlyDamaged
            raise kind("its JPEG data is damaged: from one block on, its brightness or colour is another one")


def _check_for_zeroed_bytes(data: bytes, frame: _Frame) -> None:
    """Refuse what a disk or a transfer wipes out. Flat areas are bytes that are 0 only with some tables."""
    if frame.process == _PROGRESSIVE or False not in frame.flat_zeros:
        return
    if _ZEROED in data[frame.begin : frame.end].rstrip(_HARMLESS_BYTES):
        message = "its JPEG data is damaged: bytes of it are zeroed"
        try:
            _decoded(data, frame)
        except StreamDamaged as error:
            raise StreamDamaged(message) from error
        raise PartlyDamaged(message)


def _levels(picture: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Of a picture its brightness, shape (rows, columns), and what red and blue differ from green."""
    if picture.shape[2] == 1:
        yield picture[:, :, 0]
        return
    red, green, blue = (picture[:, :, channel].astype(np.int16) for channel in range(3))
    for levels in ((red + 2 * green + blue) // 4, (red - green) // 2 + 128, (blue - green) // 2 + 128):
        yield levels.astype(np.uint8)


def _judged(data: bytes, frame: _Frame, picture: NDArray[np.uint8], surplus: int) -> NDArray[np.uint8] | None:
    """A picture whose data seems to hold more or fewer units than it has, where that is harmless.

    Raises:
        StreamDamaged: It is not.
    """
    if surplus < 0:
        try:
            return _decoded(data, frame)  # the last units may be of the very grey that stands for missing ones
        except StreamDamaged as error:
            missing = -surplus / (picture.shape[0] * picture.shape[1])
            if missing > _LARGE_SHARE:
                raise StreamDamaged(f"its JPEG data is damaged: {missing:.0%} of it is missing") from error
            raise
    filled = frame.end - len(data[: frame.end].rstrip(_HARMLESS_BYTES)) > 1
    if filled or surplus >= picture.shape[1]:  # whole rows more: somebody has made the picture lower
        return picture
    raise PartlyDamaged("its JPEG data is damaged: it holds more blocks than its picture")


def _counted(data: bytes, frame: _Frame) -> tuple[NDArray[np.uint8] | None, int]:
    """Decode a picture as if it were higher.

    Returns:
        The picture, a pixel for each unit, shape (rows, columns, channels), and how many units its data holds more
        than it should: 0 if it is whole.
        The bits that fill the last byte up are one unit, whatever they are; all after it come out in one grey.
        None, and 0, where the decoder does not know this kind of JPEG.
    """
    columns, rows = (
        -(-size // (8 * blocks)) for size, blocks in zip((frame.width, frame.height), frame.unit(), strict=True)
    )
    across, down = frame.unit()
    higher = bytearray(data)
    higher[frame.height_at : frame.height_at + 2] = ((rows + _EXTRA_ROWS) * 8 * down).to_bytes(2, "big")
    try:
        blocks = _eighth(bytes(higher), frame, strict=False)
    except ValueError:
        return None, 0
    present = np.zeros((rows + _EXTRA_ROWS, columns), bool)
    for top in range(down):
        for left in range(across):
            part = (blocks[top::down, left::across] != blocks[-1, -1]).any(axis=2)
            present[: part.shape[0], : part.shape[1]] |= part
    held = np.flatnonzero(present)
    surplus = (int(held[-1]) if held.size else 0) - rows * columns
    return blocks[: rows * down : down, ::across], surplus


def _decoded(data: bytes, frame: _Frame) -> NDArray[np.uint8] | None:
    """Decode a picture as it is; None where the decoder does not know this kind of JPEG.

    Raises:
        StreamDamaged: libjpeg says that the data is corrupt.
    """
    try:
        return _eighth(data, frame, strict=True)
    except ValueError as error:
        if any(word in str(error).lower() for word in _DAMAGE):
            raise PartlyDamaged(
                "its JPEG data is damaged: from one block on, its picture may be another one"
            ) from error
        return None


def _eighth(data: bytes, frame: _Frame, *, strict: bool) -> NDArray[np.uint8]:
    colours = "RGB" if len(frame.sampling) == 3 else "GRAY"  # noqa: PLR2004 -- CMYK is for the press, and read as grey
    picture: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, colours, min_height=1, min_width=1, min_factor=8, strict=strict
    )
    return picture

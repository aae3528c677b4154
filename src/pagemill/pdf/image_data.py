"""Is an image's data whole? Judged by the data alone: what PDFium decodes it to proves nothing.

Damaged JBIG2 decodes to white without an error, a JPEG that was cut off to a grey area, a Flate image to black.
Deflated data proves itself. The image formats carry no checksum: here they are walked from mark to mark, which shows
what was cut off or overwritten in its structure, but not every flipped bit inside. JPEGs are also decoded: see `jpeg`.
"""

from __future__ import annotations

import struct
from typing import Any

import pikepdf

from pagemill.pdf import jpeg
from pagemill.pdf.streams import Encoded, StreamDamaged, filters_of, inflated_size, undo

_COMPONENTS = {
    "/DeviceGray": 1,
    "/G": 1,
    "/CalGray": 1,
    "/Indexed": 1,
    "/I": 1,
    "/Separation": 1,
    "/DeviceRGB": 3,
    "/RGB": 3,
    "/CalRGB": 3,
    "/Lab": 3,
    "/DeviceCMYK": 4,
    "/CMYK": 4,
}
_PNG_PREDICTORS = 10
_JPX_START = b"\xff\x4f\xff\x51"  # of a codestream, and of its sizes
_JPX_END, _JPX_TILE_PART = b"\xff\xd9", b"\xff\x90"
_FAX_END = 0x001001  # EOFB, ITU-T T.6: end of line twice
_FAX_TAIL_BYTES = 8
_JBIG2_PAGE, _JBIG2_UNKNOWN_LENGTH = 48, 0xFFFFFFFF
_JBIG2_TYPES = {0, 4, 6, 7, 16, 20, 22, 23, 36, 38, 39, 40, 42, 43, 48, 49, 50, 51, 52, 53, 62}


def check(image: pikepdf.Stream) -> None:
    """Check an image's data.

    Raises:
        StreamDamaged: It is not whole.
    """
    width, height = (_size(image, *keys) for keys in (("/Width", "/W"), ("/Height", "/H")))
    if [name for name, _ in filters_of(image)] == ["/FlateDecode"] and "/F" not in image:
        _check_length(image, inflated_size(_raw(image)), width, height)
        return
    encoded = _encoded(image)
    if not encoded.filter:
        _check_length(image, len(encoded.data), width, height)
    elif encoded.filter == "/DCTDecode":
        jpeg.check(encoded.data)
    elif encoded.filter == "/CCITTFaxDecode":
        _check_fax(encoded)
    elif encoded.filter == "/JBIG2Decode":
        _check_jbig2(encoded.data)
    else:
        _check_jpeg_2000(encoded.data)


def filter_name(image: pikepdf.Stream) -> str:
    """The image's last filter as people know it, e.g. "DCTDecode"."""
    try:
        names = [name for name, _ in filters_of(image)]
    except StreamDamaged:
        value = image.get("/Filter")
        names = [str(value)] if isinstance(value, pikepdf.Name) else []
    return names[-1].removeprefix("/") if names else "not compressed"


def components(space: Any, resources: Any = None) -> int | None:
    """Values a pixel in a colour space; None where that is not known."""
    if isinstance(space, pikepdf.Name) and str(space) not in _COMPONENTS and isinstance(resources, pikepdf.Dictionary):
        space = resources.get("/ColorSpace", pikepdf.Dictionary()).get(str(space))
    if isinstance(space, pikepdf.Array) and len(space):
        family = str(space[0])
        if family == "/ICCBased" and isinstance(space[1], pikepdf.Stream):
            count = space[1].get("/N")
            return int(count) if count is not None else None
        if family == "/DeviceN":
            return len(space[1])
        return _COMPONENTS.get(family)
    return _COMPONENTS.get(str(space)) if isinstance(space, pikepdf.Name) else None


def row_bits(image: pikepdf.Stream) -> int | None:
    """Bits of a row without its padding; None where that is not known."""
    width = _size(image, "/Width", "/W")
    if bool(image.get("/ImageMask", image.get("/IM", False))):
        return width
    count = components(image.get("/ColorSpace", image.get("/CS")))
    bits = image.get("/BitsPerComponent", image.get("/BPC"))
    return width * count * int(bits) if count is not None and bits is not None else None


def _encoded(image: pikepdf.Stream) -> Encoded:
    chain = [
        (name, {key: value for key, value in parameters.items() if key not in {"/Predictor", "/EarlyChange"}})
        for name, parameters in filters_of(image)  # a predictor does not change what is whole
    ]
    if "/F" in image:
        raise StreamDamaged("its data is in another file")
    return undo(_raw(image), chain)


def _raw(image: pikepdf.Stream) -> bytes:
    try:
        data = image.read_raw_bytes()
    except (pikepdf.PdfError, RuntimeError) as error:
        raise StreamDamaged("its bytes cannot be read") from error
    if not data:
        raise StreamDamaged("it has no data")
    return data


def _size(image: pikepdf.Stream, *keys: str) -> int:
    for key in keys:
        value = image.get(key)
        if value is not None:
            try:
                return int(value)
            except (TypeError, ValueError):
                break
    raise StreamDamaged("its size is not given")


def _check_length(image: pikepdf.Stream, size: int, width: int, height: int) -> None:
    bits = row_bits(image)
    if bits is None or width <= 0 or height <= 0:
        return
    chain = filters_of(image)
    predicted = any(int(parameters.get("/Predictor", 1)) >= _PNG_PREDICTORS for _, parameters in chain)
    wanted = ((bits + 7) // 8 + predicted) * height
    if size < wanted:
        raise StreamDamaged(f"it has {size:,} of {wanted:,} bytes")


def _check_fax(encoded: Encoded) -> None:
    if int(encoded.parameters.get("/K", 0)) >= 0 or not bool(encoded.parameters.get("/EndOfBlock", True)):
        return
    tail = int.from_bytes(encoded.data.rstrip(b"\x00")[-_FAX_TAIL_BYTES:], "big")
    while tail and not tail & 1:
        tail >>= 1
    if tail & 0xFFFFFF != _FAX_END:
        raise StreamDamaged("its fax data has no end")


def _check_jbig2(data: bytes) -> None:
    position, pages = 0, 0
    while position < len(data.rstrip(b"\x00\n\r")):
        kind, length, position = _jbig2_segment(data, position)
        pages += kind == _JBIG2_PAGE
        if length == _JBIG2_UNKNOWN_LENGTH:
            return
        if position + length > len(data):
            raise StreamDamaged("its JBIG2 data ends early" if pages else "its JBIG2 data is damaged")
        position += length
    if not pages:
        raise StreamDamaged("its JBIG2 data holds no page")


def _jbig2_segment(data: bytes, position: int) -> tuple[int, int, int]:
    """Read a segment header (ITU-T T.88, 7.2): its type, the length of its data, and where that begins."""
    try:
        number, flags, references = struct.unpack_from(">IBB", data, position)
        count = references >> 5
        position += 6
        if count == 7:  # noqa: PLR2004 -- the long form
            count = struct.unpack_from(">I", data, position - 1)[0] & 0x1FFFFFFF
            position += 3 + (count + 8) // 8
        position += count * (1 if number <= 256 else 2 if number <= 65536 else 4)  # noqa: PLR2004 -- T.88, 7.2.5
        position += 4 if flags & 0x40 else 1
        (length,) = struct.unpack_from(">I", data, position)
    except struct.error as error:
        raise StreamDamaged("its JBIG2 data ends early") from error
    if flags & 0x3F not in _JBIG2_TYPES:
        raise StreamDamaged("its JBIG2 data is damaged")
    return flags & 0x3F, length, position + 4


def _check_jpeg_2000(data: bytes) -> None:
    position = data.find(_JPX_START)
    if position < 0:
        raise StreamDamaged("its data is no JPEG 2000")
    position += 2
    tile_parts = 0
    # The last tile part may reach to the end of the data: it is whole, though its end mark is missing.
    while (mark := data[position : position + 2]) != _JPX_END and not (tile_parts and position == len(data)):
        if len(mark) < 2 or mark[0] != 0xFF:  # noqa: PLR2004 -- a mark is FF and one byte
            raise StreamDamaged(
                "its JPEG 2000 data ends early" if position >= len(data) else "its JPEG 2000 data is damaged"
            )
        if mark == _JPX_TILE_PART:
            tile_parts += 1
            position += _tile_part_length(data, position)
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    if not tile_parts:
        raise StreamDamaged("its JPEG 2000 data holds no picture")


def _tile_part_length(data: bytes, position: int) -> int:
    """Bytes from a tile part's mark to the next (ISO 15444-1, A.4.2)."""
    length = int.from_bytes(data[position + 6 : position + 10], "big")
    if not length:  # up to the end mark
        return max(len(data.rstrip(b"\x00\n\r")) - len(_JPX_END) - position, len(_JPX_TILE_PART))
    if position + length > len(data):
        raise StreamDamaged("its JPEG 2000 data ends early")
    return length


def has_alpha(jpeg_2000: bytes) -> bool:
    """Tell whether a JPEG 2000 image has an alpha channel. Its picture may be in there, and PDFium does not draw it."""
    definitions = jpeg_2000.find(b"cdef")
    if definitions >= 0:
        count = int.from_bytes(jpeg_2000[definitions + 4 : definitions + 6], "big")
        entries = jpeg_2000[definitions + 6 : definitions + 6 + 6 * count]
        kinds = struct.iter_unpack(">HHH", entries[: len(entries) // 6 * 6])
        return any(kind for _, kind, _ in kinds)
    start = jpeg_2000.find(_JPX_START)
    return start >= 0 and int.from_bytes(jpeg_2000[start + 40 : start + 42], "big") in {2, 4}

"""Does a stream decode to its end? PDFium and qpdf take what they get; this module says what is missing.

Deflated data carries its own end and a checksum (RFC 1950), so most of what a PDF holds can be proven whole. Of the
other filters, only the end mark can be checked; their data is judged where it is used.
"""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pikepdf
from isal import isal_zlib

_SHORT = {
    "/Fl": "/FlateDecode",
    "/LZW": "/LZWDecode",
    "/A85": "/ASCII85Decode",
    "/AHx": "/ASCIIHexDecode",
    "/RL": "/RunLengthDecode",
    "/CCF": "/CCITTFaxDecode",
    "/DCT": "/DCTDecode",
}
IMAGE_FILTERS = {"/DCTDecode", "/CCITTFaxDecode", "/JBIG2Decode", "/JPXDecode"}
_KNOWN = {*_SHORT.values(), *IMAGE_FILTERS, "/Crypt"}
_ADLER_BYTES = 4
_RUN_LENGTH_END = 128
_WHITE_SPACE = b"\x00\t\n\x0c\r "
_FIRST_DIGIT, _LAST_DIGIT = ord("!"), ord("u")  # of base 85
_FIRST_DIGITS = np.uint32(_FIRST_DIGIT * (85**4 + 85**3 + 85**2 + 85 + 1) % 2**32)  # five of them, as one number
_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")
_PIECE_BYTES = 2**20
LARGEST_BYTES = 512 * 2**20  # as of an image: beyond, PDFium has no memory for it


class StreamDamaged(Exception):
    """A stream does not decode to its end; the message says why, without naming the stream."""


class PartlyDamaged(StreamDamaged):
    """Most of what a stream holds can still be recognized, or it is not known how much is lost."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What is left of a stream's data when the general filters are undone.

    `filter` is the image format that the data is in, "" if it is plain. `proven`: a checksum says that it is whole.
    """

    data: bytes
    filter: str
    parameters: dict[str, Any]
    proven: bool


def filters_of(stream: pikepdf.Object) -> list[tuple[str, dict[str, Any]]]:
    """The filters of a stream with their parameters, in the order in which they are undone.

    Raises:
        StreamDamaged: One is unknown, or the entry is none.
    """
    names = _listed(stream.get("/Filter", stream.get("/F")))
    parameters = _listed(stream.get("/DecodeParms", stream.get("/DP")))
    chain = []
    for index, name in enumerate(names):
        if not isinstance(name, pikepdf.Name):
            raise StreamDamaged("its filter is no name")
        given = parameters[index] if index < len(parameters) else None
        full = _SHORT.get(str(name), str(name))
        if full not in _KNOWN:
            raise StreamDamaged(f"no reader here knows its filter {full[1:]}")
        chain.append((full, dict(given.items()) if isinstance(given, pikepdf.Dictionary) else {}))
    return chain


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, pikepdf.Array) else [value]


def undo_filters(stream: pikepdf.Stream) -> Encoded:
    """Undo all filters but those of images.

    Raises:
        StreamDamaged: The data ends early, or is no data of its filter.
    """
    if "/F" in stream:
        raise StreamDamaged("its data is in another file")
    chain = filters_of(stream)
    try:
        data = stream.read_raw_bytes()
    except (pikepdf.PdfError, RuntimeError) as error:
        raise StreamDamaged("its bytes cannot be read") from error
    return undo(data, chain)


def undo(data: bytes, chain: list[tuple[str, dict[str, Any]]]) -> Encoded:
    """Undo a chain of filters, as `undo_filters` does."""
    proven = False
    for name, parameters in chain:
        if name in IMAGE_FILTERS:
            return Encoded(data, name, parameters, proven)
        if not data or name == "/Crypt":  # decrypted when it was read
            continue
        data = _GENERAL[name](data)
        proven = proven or name == "/FlateDecode"
        if int(parameters.get("/Predictor", 1)) > 1:
            data = _undo_predictor(data, parameters)
        elif name == "/LZWDecode" and int(parameters.get("/EarlyChange", 1)) != 1:
            raise StreamDamaged("its LZW data has late code changes, which no reader here knows")
    return Encoded(data, "", {}, proven)


def inflate(data: bytes) -> bytes:
    """Undo Flate.

    Raises:
        StreamDamaged: The data is damaged, or its end is missing. Only a checksum may be: the data before it is whole.
    """
    return b"".join(_inflated(data))


def inflated_size(data: bytes) -> int:
    """Count what Flate data unpacks to, and keep nothing of it; raises as `inflate` does."""
    return sum(len(piece) for piece in _inflated(data))


def _inflated(data: bytes) -> Iterator[bytes]:
    decoder = isal_zlib.decompressobj()
    size = 0
    try:
        piece = decoder.decompress(data, _PIECE_BYTES)
        while piece:
            yield piece
            size += len(piece)
            if size > LARGEST_BYTES:
                raise StreamDamaged(f"it unpacks to more than {LARGEST_BYTES // 2**20} MiB")
            piece = decoder.decompress(decoder.unconsumed_tail, _PIECE_BYTES)
    except isal_zlib.error as error:  # type: ignore[misc]
        raise StreamDamaged("its compressed data is damaged") from error
    if not decoder.eof and not _lacks_only_its_checksum(data):
        raise StreamDamaged("its compressed data ends early")


def _lacks_only_its_checksum(data: bytes) -> bool:
    raw = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        raw.decompress(data[2:])
    except zlib.error:
        return False
    return raw.eof and len(raw.unused_data) < _ADLER_BYTES


def _ascii_85(data: bytes) -> bytes:
    text = data.translate(None, _WHITE_SPACE)
    text = text.removeprefix(b"<~")
    end = text.find(b"~")
    text = text[:end] if end >= 0 else text  # whether something is missing, the decoded data shows
    if b"z" in text:
        text = text.replace(b"z", b"!!!!!")
    missing = -len(text) % 5
    digits = np.frombuffer(text + b"u" * missing, np.uint8)
    if digits.size and (digits.min() < _FIRST_DIGIT or digits.max() > _LAST_DIGIT):
        raise StreamDamaged("its ASCII85 data is damaged")
    groups = digits.reshape(-1, 5)
    words = groups[:, 0].astype(np.uint32)
    for place in range(1, 5):
        words *= 85
        words += groups[:, place]
    words -= _FIRST_DIGITS
    decoded = words.byteswap(inplace=True).tobytes()
    return decoded[: len(decoded) - missing]


def _ascii_hex(data: bytes) -> bytes:
    text = data.translate(None, _WHITE_SPACE)
    end = text.find(b">")
    text = text[:end] if end >= 0 else text
    if _NOT_HEX.search(text):
        raise StreamDamaged("its hexadecimal data is damaged")
    return binascii.unhexlify(text + b"0" * (len(text) % 2))


def _run_length(data: bytes) -> bytes:
    pieces: list[bytes] = []
    position = 0
    while position < len(data):
        length = data[position]
        if length == _RUN_LENGTH_END:
            return b"".join(pieces)
        if length < _RUN_LENGTH_END:
            pieces.append(data[position + 1 : position + 2 + length])
            position += 2 + length
        else:
            pieces.append(data[position + 1 : position + 2] * (257 - length))
            position += 2
    if position > len(data):
        raise StreamDamaged("its run-length data ends early")
    return b"".join(pieces)


def _lzw(data: bytes) -> bytes:
    with pikepdf.new() as scratch:
        stream = scratch.make_stream(data, Filter=pikepdf.Name.LZWDecode)
        try:
            return bytes(stream.read_bytes())
        except (pikepdf.PdfError, RuntimeError) as error:
            raise StreamDamaged("its LZW data is damaged") from error


_GENERAL = {
    "/FlateDecode": inflate,
    "/LZWDecode": _lzw,
    "/ASCII85Decode": _ascii_85,
    "/ASCIIHexDecode": _ascii_hex,
    "/RunLengthDecode": _run_length,
}


def _undo_predictor(data: bytes, parameters: dict[str, Any]) -> bytes:
    """Let qpdf do it: the data is known to be whole."""
    wanted = {key: value for key, value in parameters.items() if key != "/EarlyChange"}
    with pikepdf.new() as scratch:
        stream = scratch.make_stream(
            zlib.compress(data, 1),
            Filter=pikepdf.Name.FlateDecode,
            DecodeParms=pikepdf.Dictionary({key: int(value) for key, value in wanted.items()}),
        )
        try:
            return bytes(stream.read_bytes())
        except (pikepdf.PdfError, RuntimeError) as error:
            raise StreamDamaged("its predictor does not fit its data") from error

"""Does an image show one colour throughout? The back of a sheet in a scanned archive does."""

from __future__ import annotations

import io

import numpy as np
import pikepdf
from numpy.typing import NDArray
from PIL import Image

from pagemill.pdf import image_data
from pagemill.pdf.objects import Resources, name_of
from pagemill.pdf.streams import Encoded, StreamDamaged, undo_filters
from pagemill.pdf.tokens import InlineImage, Operand

_FIRST_ROW_BITS = 64  # longer than the code of any row of one colour
_PIXELS_AT_MOST = 2**28


def shows_nothing(image: pikepdf.Stream | InlineImage, resources: Resources) -> bool:
    """Tell whether an image's own data proves that it is one colour throughout.

    What PDFium decodes it to proves nothing: damaged JBIG2 data decodes to white without an error.
    """
    try:
        if isinstance(image, InlineImage):
            with pikepdf.new() as scratch:
                return _is_uniform(_as_stream(image, scratch, resources))
        return _is_uniform(image)
    except StreamDamaged:
        return False


def _is_uniform(image: pikepdf.Stream) -> bool:
    image_data.check(image)
    encoded = undo_filters(image)
    height = int(image.get("/Height", 0))
    bits = image_data.row_bits(image)
    if encoded.filter == "/CCITTFaxDecode":
        return int(encoded.parameters.get("/K", 0)) < 0 and _repeats_one_row(encoded.data, height)
    if encoded.filter == "/DCTDecode":
        return _is_plain_jpeg(encoded)
    return (
        not encoded.filter and bits is not None and _is_one_value(np.frombuffer(encoded.data, np.uint8), height, bits)
    )


def _as_stream(image: InlineImage, scratch: pikepdf.Pdf, resources: Resources) -> pikepdf.Stream:
    """The image as an XObject: with its entries' full names, and named colour spaces looked up."""
    full = {
        b"/W": "Width",
        b"/H": "Height",
        b"/BPC": "BitsPerComponent",
        b"/CS": "ColorSpace",
        b"/F": "Filter",
        b"/DP": "DecodeParms",
        b"/IM": "ImageMask",
        b"/D": "Decode",
    }
    entries = {full.get(key, key[1:].decode("latin-1")): _value(value) for key, value in image.entries.items()}
    space = entries.get("ColorSpace")
    if isinstance(space, pikepdf.Name) and image_data.components(space) is None:
        for dictionary in resources:
            named = dictionary.get("/ColorSpace") if isinstance(dictionary, pikepdf.Dictionary) else None
            if isinstance(named, pikepdf.Dictionary) and str(space) in named:
                entries["BitsPerComponent"] = entries.get("BitsPerComponent", 8)
                count = image_data.components(named[str(space)])
                entries["ColorSpace"] = {1: pikepdf.Name.DeviceGray, 3: pikepdf.Name.DeviceRGB}.get(
                    count or 0, pikepdf.Name.DeviceCMYK
                )
    return scratch.make_stream(image.data, pikepdf.Dictionary({f"/{key}": value for key, value in entries.items()}))


def _value(operand: Operand) -> object:
    if isinstance(operand, list):
        return pikepdf.Array([_value(item) for item in operand])
    if isinstance(operand, float):
        return int(operand) if operand.is_integer() else operand
    if operand in {b"true", b"false"}:
        return operand == b"true"
    return pikepdf.Name(name_of(operand)) if operand.startswith(b"/") else None


def _is_plain_jpeg(encoded: Encoded) -> bool:
    """Compare the pixels of data that is known to be whole."""
    try:
        with Image.open(io.BytesIO(encoded.data)) as picture:
            if picture.width * picture.height > _PIXELS_AT_MOST:
                return False
            extremes = picture.getextrema()
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
    bands = extremes if isinstance(extremes[0], tuple) else (extremes,)
    return all(low == high for low, high in bands)


def _repeats_one_row(fax: bytes, height_px: int) -> bool:
    """Tell whether Group 4 data codes a first row and then nothing but copies of it.

    A row equal to the one above is coded by V0, a single 1 bit, for each of its changes of colour and for its end
    (ITU-T T.6, 2.2.5). A white page is one V0 a row from the first on; a page in the other colour is its first row and
    two V0 a row. Rows of text cannot hide behind that.
    """
    zeros = np.flatnonzero(np.unpackbits(np.frombuffer(fax, np.uint8)) == 0)
    first_row_ends, rows_end = -1, 8 * len(fax)
    for zero in zeros[:_FIRST_ROW_BITS]:
        if zero >= _FIRST_ROW_BITS:
            rows_end = int(zero)
            break
        first_row_ends = int(zero)
    copies = rows_end - first_row_ends - 1
    return copies >= (height_px if first_row_ends < 0 else 2 * (height_px - 1))


def _is_one_value(data: NDArray[np.uint8], height_px: int, row_bits: int) -> bool:
    row_bytes, full_bytes = (row_bits + 7) // 8, row_bits // 8
    if not full_bytes or len(data) < height_px * row_bytes:
        return False
    rows = data[: height_px * row_bytes].reshape(height_px, row_bytes)[:, :full_bytes]  # without a row's padding
    return bool((rows == rows[0, 0]).all())

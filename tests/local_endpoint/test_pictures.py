from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from pagemill.errors import RequestRejected
from pagemill.local_endpoint.pictures import decode


def encoded(picture: Image.Image, *, format_: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, format_, **options)
    return target.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_pixel_becomes_rgb(mode: str) -> None:
    format_ = "TIFF" if mode == "CMYK" else "PNG"

    assert decode(encoded(Image.new(mode, (4, 3)), format_=format_)).mode == "RGB"


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_the_usual_formats_are_read(format_: str) -> None:
    assert decode(encoded(Image.new("RGB", (4, 3)), format_=format_)).size == (4, 3)


def test_transparent_parts_are_white() -> None:
    assert decode(encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)


def test_a_photograph_is_turned_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees

    assert decode(encoded(Image.new("RGB", (4, 3)), format_="JPEG", exif=exif)).size == (3, 4)


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", b"%PDF-1.7", encoded(Image.new("RGB", (50, 50)))[:60], png_of_size(5, 5)],
    ids=["nothing", "text", "a PDF", "a cut-off PNG", "a PNG without pixels"],
)
def test_bytes_that_are_not_a_whole_image_are_rejected(data: bytes) -> None:
    with pytest.raises(RequestRejected, match="cannot be decoded"):
        decode(data)


@pytest.mark.parametrize("size", [(10_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_rejected_before_they_are_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(RequestRejected):
        decode(png_of_size(*size))

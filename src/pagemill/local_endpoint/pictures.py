"""Decodes image bytes from clients; their size is checked before they are decoded."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from pagemill.errors import RequestRejected

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")

# A page rendered for the model has 2.4 million; a scan of a newspaper page at 300 dpi has 60 million.
MOST_PIXELS = 64_000_000


def decode(data: bytes) -> Image.Image:
    """Decode an image to RGB, transparent parts white, turned as its EXIF orientation says.

    Raises:
        RequestRejected: The bytes are not an image in a common format, are damaged, or have too many pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's own warning about many pixels: the limit below is stricter.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise RequestRejected(f"the image has {width} x {height} pixels; at most {MOST_PIXELS:,} are read")
        return _on_white(ImageOps.exif_transpose(picture))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RequestRejected(f"the image cannot be decoded: {type(error).__name__}") from error


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")

"""Checks what render workers answer. A worker that a hostile document has taken over can send anything.

For the parent only: pydantic is not loaded by render workers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from pydantic import Field

from pagemill.domain.pages.model import LONGEST_LAYER, CountedPdf, Piece, Rendering
from pagemill.pdf.page import CountPages, RenderOptions, RenderPage
from pagemill.workers.frames import Bounds, Malformed
from pagemill.workers.parsing import Messages, Strict
from pagemill.workers.process import Expected

_LONGEST_TEXT = 2**22  # characters of a page's own text
_HEAD_BYTES = 2**24  # such a text, in UTF-8
_MOST_PAGES = 2**22  # PDFium knows no more objects than these in a document
_FINDINGS_BYTES = 2**22
_HALVES = 2

# The beginning of a PNG: signature, length and name of the first chunk, width, height, depth, colour type; 3 more bytes
# of the chunk and its checksum follow.
_PNG_START = struct.Struct(">8sI4sIIBB")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3}  # of greyscale and of colour
_PNG_OVERHEAD = 4096  # chunks around the data

_Seconds = Annotated[float, Field(ge=0)]


class _Count(Strict):
    pages: int = Field(ge=1, le=_MOST_PAGES)
    findings: Messages
    repaired: bool


class _Piece(Strict):
    overlap: float = Field(ge=0, le=1)
    may_be_empty: bool


class _Rendered(Strict):
    number: int
    width_px: int = Field(ge=0)
    height_px: int = Field(ge=0)
    image: bool
    blank: bool
    text: str | None = Field(max_length=_LONGEST_TEXT)
    objections: Messages
    render_seconds: _Seconds
    inspect_seconds: _Seconds
    encode_seconds: _Seconds
    dpi: float | None = Field(ge=0)
    ink_share: float | None = Field(ge=0, le=1)
    inner_ink_share: float | None = Field(ge=0, le=1)
    layer: str = Field(max_length=LONGEST_LAYER)
    pieces: tuple[_Piece, ...]


def expected_count(asked: CountPages) -> Expected[CountedPdf]:
    """What may be answered to a request to count pages."""
    return Expected(Bounds(_FINDINGS_BYTES), partial(_counted, asked))


def expected_rendering(asked: RenderPage, options: RenderOptions) -> Expected[Rendering]:
    """What may be answered to a request to render a page with these options."""
    largest = _largest_png(options.longest_edge_px, options.longest_edge_px, 3)
    most = max(options.max_pieces, _HALVES) if asked.picture.halves else options.max_pieces
    bounds = Bounds(_HEAD_BYTES, attachments=most, attachment_bytes=largest)
    return Expected(bounds, partial(_rendering, asked, options))


def _counted(asked: CountPages, head: bytes, _: Sequence[bytes]) -> CountedPdf:
    found = _Count.model_validate_json(head)
    if not found.repaired:
        return CountedPdf(asked.file.path, found.pages, found.findings)
    if not asked.copy:
        raise Malformed("a repaired copy, for which there is no file")
    return CountedPdf(asked.copy.path, found.pages, found.findings)


def _rendering(asked: RenderPage, options: RenderOptions, head: bytes, images: Sequence[bytes]) -> Rendering:
    found = _Rendered.model_validate_json(head)
    if found.number != asked.number:
        raise Malformed(f"page {found.number} instead of page {asked.number}")
    if [found.image, bool(found.pieces), found.blank, found.text is not None].count(True) != 1:
        raise Malformed("not one of an image, pieces, a text and a blank page")
    if len(images) != (1 if found.image else len(found.pieces)):
        raise Malformed(f"{len(images)} images")
    longest = options.longest_edge_px
    for image in images:
        width, height = _png_size(image)
        if max(width, height) > longest or width > found.width_px or height > found.height_px:
            raise Malformed(f"an image of {width} x {height} pixels")
        if found.image and (width, height) != (found.width_px, found.height_px):
            raise Malformed(f"an image of {width} x {height} pixels, said to have {found.width_px} x {found.height_px}")
    return Rendering(
        number=found.number,
        width_px=found.width_px,
        height_px=found.height_px,
        png=images[0] if found.image else None,
        blank=found.blank,
        text=found.text,
        objections=found.objections,
        render_seconds=found.render_seconds,
        inspect_seconds=found.inspect_seconds,
        encode_seconds=found.encode_seconds,
        dpi=found.dpi,
        ink_share=found.ink_share,
        inner_ink_share=found.inner_ink_share,
        layer=found.layer,
        pieces=tuple(
            Piece(png, piece.overlap, piece.may_be_empty) for piece, png in zip(found.pieces, images, strict=False)
        ),
    )


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height that a PNG states, in pixels.

    Raises:
        Malformed: The bytes do not begin as the PNGs that workers write.
    """
    if len(data) < _PNG_START.size:
        raise Malformed("an image that is no PNG")
    signature, length, name, width, height, depth, colour = _PNG_START.unpack_from(data)
    if (signature, length, name, depth) != (_PNG_SIGNATURE, 13, b"IHDR", 8) or colour not in _CHANNELS:
        raise Malformed("an image that is no PNG as workers write them")
    if len(data) > _largest_png(width, height, _CHANNELS[colour]):
        raise Malformed(f"{len(data):,} bytes for an image of {width} x {height} pixels")
    return width, height


def _largest_png(width: int, height: int, channels: int) -> int:
    """Bytes of a PNG that cannot be compressed at all."""
    raw = height * (1 + channels * width)
    return raw + raw // 100 + _PNG_OVERHEAD

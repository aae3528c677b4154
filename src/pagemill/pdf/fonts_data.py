"""What is wrong with a font as it stands in the file; what is missing on the machine is another question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pikepdf

from pagemill.pdf.misspelt import differ_once, misspelt_entries
from pagemill.pdf.streams import StreamDamaged, undo_filters

_FILES = ("/FontFile", "/FontFile2", "/FontFile3")
_SUBTYPES = {"/Type0", "/Type1", "/MMType1", "/TrueType", "/Type3"}
_ENCODINGS = {
    "/WinAnsiEncoding",
    "/MacRomanEncoding",
    "/MacExpertEncoding",
    "/StandardEncoding",
    "/PDFDocEncoding",
    "/SymbolEncoding",
    "/ZapfDingbatsEncoding",
    "/SymbolSetEncoding",
}
_STANDARD_FONTS = [
    *(f"Helvetica{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"Courier{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"Times-{style}" for style in ("Roman", "Bold", "Italic", "BoldItalic")),
    "Symbol",
    "ZapfDingbats",
]
_TAG_LETTERS = 6  # of a subset, as in ABCDEF+Times: its file has to be there


def font_complaints(font: pikepdf.Dictionary) -> Iterator[str]:
    """Say what damage does to a font, e.g. "is damaged: its compressed data ends early"."""
    for entry in misspelt_entries(font, "/Font"):
        yield f"has an {entry}"
    kind = str(font.get("/Subtype", ""))
    if kind not in _SUBTYPES:
        yield "has no known type"
        return
    yield from _encoding_complaints(font, kind)
    if kind == "/Type3":
        if not isinstance(font.get("/CharProcs"), pikepdf.Dictionary) or not len(font.CharProcs):
            yield "has no glyphs"
        return
    holder: Any = font
    if kind == "/Type0":
        descendants = font.get("/DescendantFonts")
        holder = descendants[0] if isinstance(descendants, pikepdf.Array) and len(descendants) else None
        if not isinstance(holder, pikepdf.Dictionary):
            yield "has no descendant font"
            return
    yield from _file_complaints(font, holder.get("/FontDescriptor"))


def _encoding_complaints(font: pikepdf.Dictionary, kind: str) -> Iterator[str]:
    encoding = font.get("/Encoding")
    if isinstance(encoding, pikepdf.Stream):
        yield from _stream_complaints(encoding, "its encoding is damaged")
    elif kind != "/Type0" and isinstance(encoding, pikepdf.Name) and str(encoding) not in _ENCODINGS:
        yield f"has an unknown encoding {str(encoding)[1:]}"
    elif kind == "/Type0" and encoding is None:
        yield "has no encoding"


def _file_complaints(font: pikepdf.Dictionary, descriptor: Any) -> Iterator[str]:
    embedded = False
    if isinstance(descriptor, pikepdf.Dictionary):
        for entry in misspelt_entries(descriptor, "/FontDescriptor"):
            if not any(key in descriptor for key in _FILES):
                yield f"has an {entry}"
        for key in _FILES:
            file = descriptor.get(key)
            embedded = embedded or file is not None
            if isinstance(file, pikepdf.Stream):
                yield from _stream_complaints(file, "is damaged")
            elif file is not None:
                yield "is damaged: its file is no stream"
    name = str(font.get("/BaseFont", ""))[1:]
    tag, plus, _ = name.partition("+")
    if not embedded and any(len(name) == len(known) and differ_once(name, known) for known in _STANDARD_FONTS):
        yield f"has a damaged name: {name}"
    if not embedded and plus and len(tag) == _TAG_LETTERS and tag.isupper():
        yield f"({name}) is a subset, and its file is missing"


def _stream_complaints(stream: pikepdf.Stream, said: str) -> Iterator[str]:
    try:
        undo_filters(stream)
    except StreamDamaged as error:
        yield f"{said}: {error}"

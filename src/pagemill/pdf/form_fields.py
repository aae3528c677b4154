"""Form fields whose value PDFium does not render because of damage (PDF 1.7, 12.7).

PDFium renders a value that has no appearance stream by itself. For that, the field needs a name, a type and a font.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pikepdf

from pagemill.pdf.fonts_data import font_complaints
from pagemill.pdf.misspelt import misspelt_entries
from pagemill.pdf.objects import inherited

_TYPES = {"/Tx", "/Btn", "/Ch", "/Sig"}
_WRITTEN = {"/Tx", "/Ch"}  # their value is text
_FONT = re.compile(rb"/(\S+)\s+[-+.\d]+\s+Tf\b")  # of a default appearance: PDF 1.7, 12.7.3.3


def field_complaints(widget: pikepdf.Dictionary, form: Any) -> Iterator[str]:
    """Say what a form field without an appearance stream lacks, e.g. "has no known type".

    Args:
        widget: The field's annotation on the page.
        form: The document's /AcroForm; None if it has none.
    """
    for entry in misspelt_entries(widget, "/Widget"):
        yield f"has an {entry}"
    kind = str(inherited(widget, "/FT"))
    if kind not in _TYPES:
        yield "has no known type"
    if inherited(widget, "/T") is None:
        yield "has no name"
    if kind in _WRITTEN and inherited(widget, "/V") is not None:
        yield from _font_complaints(widget, form)


def _font_complaints(widget: pikepdf.Dictionary, form: Any) -> Iterator[str]:
    form = form if isinstance(form, pikepdf.Dictionary) else pikepdf.Dictionary()
    given = inherited(widget, "/DA") or form.get("/DA")
    named = _FONT.search(bytes(given)) if isinstance(given, pikepdf.String) else None
    if named is None:
        yield "does not say which font its value has"
        return
    resources = form.get("/DR")
    fonts = resources.get("/Font") if isinstance(resources, pikepdf.Dictionary) else None
    font = fonts.get(f"/{named[1].decode('latin-1')}") if isinstance(fonts, pikepdf.Dictionary) else None
    if isinstance(font, pikepdf.Dictionary):
        for complaint in font_complaints(font):
            yield f"is in a font that {complaint}"

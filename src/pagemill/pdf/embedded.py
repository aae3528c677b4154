"""Files embedded in a PDF, of which no page is read."""

from __future__ import annotations

import ctypes

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from pagemill.domain.wording import counted

_PDF = ".pdf"
_PDF_TYPE = "application/pdf"


def findings(document: pdfium.PdfDocument) -> tuple[str, ...]:
    """Name what is embedded and not read."""
    kinds = [_is_pdf(document.get_attachment(index)) for index in range(document.count_attachments())]
    pdfs, others = sum(kinds), len(kinds) - sum(kinds)
    found = []
    if pdfs:
        found.append(f"{counted(pdfs, 'embedded PDF')} not read")
    if others:
        found.append(f"{counted(others, 'embedded file')} not read")
    return tuple(found)


def _is_pdf(attachment: pdfium.PdfAttachment) -> bool:
    try:
        name = attachment.get_name()
    except pdfium.PdfiumError:
        name = ""
    return name.lower().endswith(_PDF) or _media_type(attachment) == _PDF_TYPE


def _media_type(attachment: pdfium.PdfAttachment) -> str:
    size = pdfium_c.FPDFAttachment_GetSubtype(attachment, None, 0)
    buffer = ctypes.create_string_buffer(size)
    pdfium_c.FPDFAttachment_GetSubtype(attachment, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw.decode("utf-16-le", "replace").rstrip("\0").lower()

"""Opens PDFs with PDFium, and says why one does not open."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from pagemill.errors import DocumentUnreadable
from pagemill.pdf import forms
from pagemill.pdf.encryption import why_no_password_opens
from pagemill.pdf.pdf_file import PdfFile

_HEADER_WITHIN = 1024  # PDF 1.7, implementation note 13: the header may stand anywhere in the first 1024 bytes


class StructureDamaged(DocumentUnreadable):
    """PDFium finds no pages in the file; qpdf may."""


def open_document(file: PdfFile) -> pdfium.PdfDocument:
    """Open a PDF of at least one page, with its form fields.

    Raises:
        StructureDamaged: The file is a PDF, but its structure is damaged, or it has no pages.
        DocumentUnreadable: The file cannot be opened for another reason.
    """
    access = _access(file)
    handle = pdfium_c.FPDF_LoadCustomDocument(access, None)
    if not handle:
        raise _why_it_does_not_open(file, pdfium_c.FPDF_GetLastError())
    document = pdfium.PdfDocument(handle)
    document.file_access = access  # PDFium reads through it as long as the document is open
    if len(document) < 1:
        document.close()
        raise StructureDamaged("the PDF has no pages, or none that can be found; fetch it again")
    try:
        forms.enable(document)  # before any page is loaded: without it, the fields of many forms are empty
    except pdfium.PdfiumError as error:
        document.close()
        raise DocumentUnreadable(f"its form fields cannot be prepared: {error}") from error
    if document.get_formtype() == pdfium_c.FORMTYPE_XFA_FULL:
        document.close()
        raise DocumentUnreadable(
            "a dynamic XFA form, whose pages exist only in Adobe's own format; print it to PDF with Adobe Reader first"
        )
    return document


def _access(file: PdfFile) -> pdfium_c.FPDF_FILEACCESS:
    """How PDFium reads an open file: pypdfium2's own way makes a new type for each length."""
    kept = file.reader()  # closed with the document, which holds the last reference to it

    def read(_: object, position: int, target: Any, size: int) -> int:
        try:
            data = os.pread(kept.fileno(), size, position)
        except OSError:
            return 0
        ctypes.memmove(target, data, len(data))
        return int(len(data) == size)

    access = pdfium_c.FPDF_FILEACCESS(m_FileLen=file.size)
    access.m_GetBlock = type(access.m_GetBlock)(read)
    return access


def _why_it_does_not_open(file: PdfFile, error_code: int) -> DocumentUnreadable:
    try:
        with file.reader() as reader:
            head = reader.read(_HEADER_WITHIN)
    except OSError as error:
        return DocumentUnreadable(f"cannot be read: {error.strerror or error}")
    if not head:
        return DocumentUnreadable("the file is empty (0 bytes); fetch it again")
    if b"%PDF-" not in head:
        return DocumentUnreadable(f"not a PDF: it begins with {head[:8]!r}")
    if error_code in {pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY}:
        return DocumentUnreadable(
            why_no_password_opens(file)
            or "password-protected; remove the password first: qpdf --decrypt --password=PASSWORD IN.pdf OUT.pdf"
        )
    return StructureDamaged("damaged: no readable PDF structure, often a truncated download; fetch it again")

"""Form fields: PDFium draws them only for a document that has a form environment.

pypdfium2's `init_forms` makes none for a document without an /AcroForm. Such documents exist: pages that were taken out
of a form keep their widgets, and the values in them, and lose the list of fields.
"""

from __future__ import annotations

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

_CONFIG_VERSION = 2  # of FPDF_FORMFILLINFO; PDFium without XFA and scripts asks for no more


def enable(document: pdfium.PdfDocument) -> None:
    """Make the form environment of a document. Call it before any page is loaded.

    Raises:
        PdfiumError: PDFium has no memory for it.
    """
    if document.init_forms() or document.formenv:
        return
    config = pdfium_c.FPDF_FORMFILLINFO(version=_CONFIG_VERSION)
    handle = pdfium_c.FPDFDOC_InitFormFillEnvironment(document, config)
    if not handle:
        raise pdfium.PdfiumError("the form environment cannot be made")
    document.formenv = pdfium.PdfFormEnv(handle, config)  # closed with the document, as that of `init_forms` is

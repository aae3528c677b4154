"""What a rendering shows: is it one colour throughout? And the images that stand on a page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray


def is_uniform(bgrx: NDArray[np.uint32]) -> bool:
    """Tell whether all pixels are the same."""
    return bool((bgrx[0] == bgrx[0, 0]).all()) and bool(bgrx.min() == bgrx.max())


def images(page: pdfium.PdfPage) -> Iterator[pdfium.PdfImage]:
    """Yield the images that stand on the page itself. Those inside form XObjects are left to the memory limit."""
    for index in range(pdfium_c.FPDFPage_CountObjects(page)):
        handle = pdfium_c.FPDFPage_GetObject(page, index)
        if pdfium_c.FPDFPageObj_GetType(handle) == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            yield pdfium.PdfImage(handle, page=page, pdf=page.pdf)

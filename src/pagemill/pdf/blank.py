"""What a rendering shows: is it one colour throughout? And where the things of a page stand in it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray


def is_uniform(bgrx: NDArray[np.uint32]) -> bool:
    """Tell whether all pixels are the same."""
    return bool((bgrx[0] == bgrx[0, 0]).all()) and bool(bgrx.min() == bgrx.max())


def images(page: pdfium.PdfPage) -> Iterator[pdfium.PdfImage]:
    """Yield the images on the page itself; the memory limit covers those inside form XObjects."""
    for index in range(pdfium_c.FPDFPage_CountObjects(page)):
        handle = pdfium_c.FPDFPage_GetObject(page, index)
        if pdfium_c.FPDFPageObj_GetType(handle) == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            yield pdfium.PdfImage(handle, page=page, pdf=page.pdf)


@dataclass(frozen=True, slots=True)
class PagePixels:
    """The pixels of a rendered page, or of the window of it that was rendered."""

    bgrx: NDArray[np.uint32]  # of the window, shape (h, w)
    width_px: int  # of the whole page
    height_px: int
    left_px: int = 0  # of the window
    top_px: int = 0

    @classmethod
    def of_page(cls, bgrx: NDArray[np.uint32]) -> PagePixels:
        """The pixels of a whole page."""
        return cls(bgrx, bgrx.shape[1], bgrx.shape[0])

    def region(
        self, page: pdfium.PdfPage, box: tuple[float, float, float, float], *, step: int = 1
    ) -> NDArray[np.uint32]:
        """The pixels in a box of the page (left, bottom, right, top in points), every `step`th in both directions.

        Empty if the box is outside the window.
        """
        across, down = ctypes.c_int(), ctypes.c_int()
        columns, rows = [], []
        height, width = self.bgrx.shape
        for x, y in ((box[0], box[1]), (box[2], box[3])):
            pdfium_c.FPDF_PageToDevice(page, 0, 0, self.width_px, self.height_px, 0, x, y, across, down)
            columns.append(min(max(across.value - self.left_px, 0), width))
            rows.append(min(max(down.value - self.top_px, 0), height))
        return self.bgrx[min(rows) : max(rows) : step, min(columns) : max(columns) : step]

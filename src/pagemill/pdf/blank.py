"""What a rendering shows: is it one colour throughout? And where the things of a page stand in it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

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


def pixel_span(
    page: pdfium.PdfPage, shape: tuple[int, ...], box: tuple[float, float, float, float]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where a box of a page (left, bottom, right, top in points) lies in its rendering of `shape` (h, w).

    Returns:
        First column and the one after the last, first row and the one after the last; equal if it lies outside.
    """
    height, width = shape
    across, down = ctypes.c_int(), ctypes.c_int()
    columns, rows = [], []
    for x, y in ((box[0], box[1]), (box[2], box[3])):
        pdfium_c.FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, across, down)
        columns.append(min(max(across.value, 0), width))
        rows.append(min(max(down.value, 0), height))
    return (min(columns), max(columns)), (min(rows), max(rows))

"""What is measured of a rendered page for those who judge its transcript. In render workers, at most 3 ms a page.

It is evidence, nothing more: a page is as well rendered without it.
"""

from __future__ import annotations

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from pagemill.domain.pages.model import LONGEST_LAYER
from pagemill.domain.wording import encodable
from pagemill.pdf.text_layer import usable_text

_STEP = 2  # every second row and column: strokes of letters are wider, or hit as often as missed
_VISIBLE = 24  # of 255: pale pencil differs from its paper by more, the noise of a good scan by less
_MOST_OBJECTS = 2_000  # on the page: a tenth of what is looked at where the layer replaces the model; 20 ms


def ink_share(bgrx: NDArray[np.uint32]) -> float:
    """The share of pixels, 0 to 1, that differ from the paper, which is the most frequent level of green."""
    green = (bgrx[::_STEP, ::_STEP] >> 8).astype(np.uint8)
    paper = int(np.bincount(green[::_STEP, ::_STEP].ravel(), minlength=256).argmax())
    lightest, darkest = min(paper + _VISIBLE, 255), max(paper - _VISIBLE, 0)
    # One comparison instead of two: what is darker than the darkest paper wraps around and becomes large.
    shifted = green - np.uint8(darkest)
    return round(float(np.count_nonzero(shifted > np.uint8(lightest - darkest))) / green.size, 6)


def layer_of(page: pdfium.PdfPage) -> str:
    """The text layer of a page that can be compared with its transcript; empty if it has none."""
    try:
        text = encodable(usable_text(page, _MOST_OBJECTS) or "")
    except pdfium.PdfiumError:
        return ""
    return text if len(text) <= LONGEST_LAYER else ""  # a part of a layer would object to all of the rest

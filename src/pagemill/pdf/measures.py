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

_STEP = 3  # every third row and column: a stroke is hit as often as it is missed
_PALE = 8  # of 255: on clean paper, paler writing than this is not seen
_NOISY = 24  # of 255: the same on paper with noise or shades, as of scanners
_QUIET = 0.995  # of the pixels lighter than the paper are nearer to it than its noise
_EDGE = 0.08  # of the shorter side: shadows of a scanner's lid reach no further
_MOST_OBJECTS = 2_000  # on the page: a tenth of what is looked at where the layer replaces the model; 20 ms


def ink_shares(bgrx: NDArray[np.uint32]) -> tuple[float, float]:
    """The share of pixels that differ from the paper, 0 to 1: of all, and of those that are not at the page's edges.

    They differ in their darkest or in their lightest colour: yellow and green letters are as light as white paper in
    two of three colours, red ones as dark as black paper.
    """
    sampled = np.ascontiguousarray(bgrx[::_STEP, ::_STEP])
    colours = sampled.view(np.uint8).reshape(-1, 4)
    blue, green, red = colours[:, 0], colours[:, 1], colours[:, 2]
    inked = _inked(np.minimum(np.minimum(blue, green), red)) | _inked(np.maximum(np.maximum(blue, green), red))
    height, width = sampled.shape
    edge = round(_EDGE * min(height, width))
    inside = inked.reshape(height, width)[edge : height - edge, edge : width - edge]
    return _share(inked), _share(inside)


def _share(inked: NDArray[np.bool_]) -> float:
    return round(float(np.count_nonzero(inked)) / inked.size, 6)


def _inked(shades: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which shades are not those of the paper, which is the most frequent shade."""
    times = np.bincount(shades[::_STEP], minlength=256)
    paper = int(times.argmax())
    visible = _visible(times[paper + 1 :])
    darkest, lightest = max(paper - visible, 0), min(paper + visible, 255)
    # One comparison instead of two: what is darker than the darkest paper wraps around and becomes large.
    found: NDArray[np.bool_] = shades - np.uint8(darkest) > np.uint8(lightest - darkest)
    return found


def _visible(lighter: NDArray[np.int64]) -> int:
    """How far ink is from its paper. What is lighter than paper is noise, and there is as much that is darker.

    Args:
        lighter: How many pixels are 1, 2, 3 … levels lighter than the paper.
    """
    noise = int(np.searchsorted(np.cumsum(lighter), _QUIET * lighter.sum())) + 1 if lighter.any() else 0
    return _PALE if 2 * noise < _PALE else _NOISY


def layer_of(page: pdfium.PdfPage) -> str:
    """The text layer of a page that can be compared with its transcript; empty if it has none."""
    try:
        text = encodable(usable_text(page, _MOST_OBJECTS) or "")
    except pdfium.PdfiumError:
        return ""
    return text if len(text) <= LONGEST_LAYER else ""  # a part of a layer would object to all of the rest

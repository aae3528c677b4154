"""Cuts the rendering of a large page into pieces, each as large as the model can read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pagemill.domain.pages.model import Piece
from pagemill.domain.pages.sizes import Box, Layout, overlaps, piece_cores
from pagemill.pdf import png
from pagemill.pdf.blank import is_uniform
from pagemill.pdf.seams import Seam, ink, level_seam, upright_seam

_WORD_GAP_EMS = 0.3
_SAMPLED = 16  # every so many rows and columns: enough to know the paper's colour

Pixels = NDArray[np.uint32]


def cut(bgrx: Pixels, layout: Layout, text_boxes: tuple[Box, ...] | None) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    """Cut a rendering into pieces, row by row. Pieces without ink are left out.

    Args:
        bgrx: The layout's window, as uint32 pixels.
        layout: Where the pieces are.
        text_boxes: Where text stands, in units of the page; None: not known.

    Returns:
        The pieces, and what may have been damaged by cutting.
    """
    gap_px = max(round(_WORD_GAP_EMS * layout.em_px), 1)
    paper = _paper(bgrx)
    shared = overlaps(layout.rows, layout.piece_height)
    cores = iter(piece_cores(layout))
    strips = len(layout.columns) == 1
    upper: Seam | None = None
    pieces: list[Piece] = []
    cut_words = 0
    for row, top in enumerate(layout.rows):
        bottom = top + layout.piece_height
        band = bgrx[top:bottom].copy()
        overlap = 0
        if upper and (upper.clean or not strips):
            _clear_above(band, upper, paper)
        elif upper:
            overlap = shared[row]
        upper = None
        if row + 1 < len(layout.rows):
            start = layout.rows[row + 1]
            upper = level_seam(ink(bgrx[start:bottom]), gap_px)
            cut_words += not upper.clean and not strips
            if upper.clean or not strips:
                _clear_below(band, start - top, upper, paper)
        seams = _seams(band, layout, gap_px)
        cut_words += sum(not seam.clean for seam in seams)
        for column, left in enumerate(layout.columns):
            core = next(cores)
            tile = _tile(band, left, layout, column, seams, paper)
            if is_uniform(tile):
                continue
            may_be_empty = text_boxes is None or not any(core.holds_middle_of(place) for place in text_boxes)
            pieces.append(Piece(png.encode(tile), overlap / layout.piece_height, may_be_empty=may_be_empty))
    findings = (f"cut into {len(pieces)} pieces: words at {cut_words} of their borders may be damaged",)
    return tuple(pieces), findings if cut_words else ()


def _paper(bgrx: Pixels) -> np.uint32:
    sample = np.sort(bgrx[::_SAMPLED, ::_SAMPLED], axis=None)
    return np.uint32(sample[len(sample) // 2])


def _seams(band: Pixels, layout: Layout, gap_px: int) -> list[Seam]:
    """The seams between the pieces of a row."""
    edges = [layout.columns[index] + layout.piece_width for index in range(len(layout.columns) - 1)]
    return [upright_seam(ink(band[:, start:end]), gap_px) for start, end in zip(layout.columns[1:], edges, strict=True)]


def _tile(band: Pixels, left: int, layout: Layout, column: int, seams: list[Seam], paper: np.uint32) -> Pixels:
    tile = band[:, left : left + layout.piece_width].copy()
    places = np.arange(tile.shape[1])[None, :]
    if column:
        tile[places < seams[column - 1].boundary[:, None]] = paper
    if column < len(seams):
        start = layout.columns[column + 1] - left
        tile[places >= start + seams[column].boundary[:, None]] = paper
    return tile


def _clear_above(band: Pixels, seam: Seam, paper: np.uint32) -> None:
    rows = np.arange(int(seam.boundary.max(initial=0)))[:, None]
    band[: len(rows)][rows < seam.boundary[None, :]] = paper


def _clear_below(band: Pixels, start: int, seam: Seam, paper: np.uint32) -> None:
    rows = np.arange(band.shape[0] - start)[:, None]
    band[start:][rows >= seam.boundary[None, :]] = paper

"""Cuts the rendering of a large page into pieces, each as large as the model can read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pagemill.domain.pages.model import Piece
from pagemill.domain.pages.sizes import Contents
from pagemill.domain.pages.tiling import Layout, overlaps
from pagemill.pdf import png
from pagemill.pdf.blank import is_uniform
from pagemill.pdf.seams import Seam, ink, level_seam, upright_seam

_WORD_GAP_EMS = 0.3
_MARGIN_PX = 28  # around what a piece shows
_SAMPLED = 16  # every so many rows and columns: enough to know the paper's colour

Pixels = NDArray[np.uint32]


Images = tuple[bytes | None, tuple[Piece, ...], tuple[str, ...]]


def image_or_pieces(bgrx: Pixels, layout: Layout, contents: Contents) -> Images:
    """Encode a rendering: as one image, or as pieces; and say what may have been damaged by cutting."""
    return (png.encode(bgrx), (), ()) if layout.pieces == 1 else (None, *cut(bgrx, layout, contents))


def cut(bgrx: Pixels, layout: Layout, contents: Contents) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    """Cut a rendering into pieces, row by row. Pieces without ink are left out.

    Args:
        bgrx: The layout's window, as uint32 pixels.
        layout: Where the pieces are.
        contents: What is known about the page.

    Returns:
        The pieces, and what may have been damaged by cutting.
    """
    cutter = _Cutter(bgrx, layout)
    pieces = []
    for core, (tile, overlap) in zip(layout.cores(), cutter.tiles(), strict=True):
        if is_uniform(tile):
            continue
        shown = tile if overlap else cutter.trimmed(tile)
        pieces.append(Piece(png.encode(shown), overlap, may_be_empty=not contents.has_text_in(core)))
    if not cutter.damaged:
        return tuple(pieces), ()
    return tuple(pieces), (f"cut into {len(pieces)} pieces: words at {cutter.damaged} of their borders may be damaged",)


@dataclass(slots=True)
class _Cutter:
    """Parts the pieces along seams: each shows its own side, and paper beyond the seam."""

    bgrx: Pixels
    layout: Layout
    damaged: int = 0  # borders that had to be cut through ink
    _paper: np.uint32 = field(init=False)
    _gap_px: int = field(init=False)

    def __post_init__(self) -> None:
        sample = np.sort(self.bgrx[::_SAMPLED, ::_SAMPLED], axis=None)
        self._paper = np.uint32(sample[len(sample) // 2])
        self._gap_px = max(round(_WORD_GAP_EMS * self.layout.em_px), 1)

    def tiles(self) -> Iterator[tuple[Pixels, float]]:
        """Yield the pixels of each piece, and the share of its height that the piece above shows, too."""
        grid = self.layout.grid
        for band, overlap in self._bands():
            seams = [
                upright_seam(ink(band[:, place : place + shared]), self._gap_px)
                for place, shared in zip(grid.columns[1:], overlaps(grid.columns, grid.piece_width)[1:], strict=True)
            ]
            self.damaged += sum(not seam.clean for seam in seams)
            for column, left in enumerate(grid.columns):
                tile = band[:, left : left + grid.piece_width].copy()
                if column:
                    self._clear_before(tile, seams[column - 1])
                if column < len(seams):
                    self._clear_from(tile, grid.columns[column + 1] - left, seams[column])
                yield tile, overlap / grid.piece_height

    def trimmed(self, tile: Pixels) -> Pixels:
        """A tile without the rows and columns at its edges that are nothing but paper: the model reads them, too."""
        drawn = tile != self._paper
        rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
        top, left = max(rows[0] - _MARGIN_PX, 0), max(columns[0] - _MARGIN_PX, 0)
        return tile[top : rows[-1] + 1 + _MARGIN_PX, left : columns[-1] + 1 + _MARGIN_PX]

    def _bands(self) -> Iterator[tuple[Pixels, int]]:
        """Yield the pixels of each row of pieces, and how many of their rows the one above shows, too.

        Where strips cannot be parted without cutting words, both keep the overlap: their texts can be aligned.
        """
        grid = self.layout.grid
        strips = len(grid.columns) == 1
        shared = overlaps(grid.rows, grid.piece_height)
        above: Seam | None = None
        for row, top in enumerate(grid.rows):
            band = self.bgrx[top : top + grid.piece_height].copy()
            if above:
                self._clear_before(band.T, above)
            overlap = shared[row] if row and not above else 0
            above = None
            if row + 1 < len(grid.rows):
                seam = level_seam(ink(band[grid.piece_height - shared[row + 1] :]), self._gap_px)
                above = seam if seam.clean or not strips else None
                self.damaged += not seam.clean and not strips
            if above:
                self._clear_from(band.T, grid.piece_height - shared[row + 1], above)
            yield band, overlap

    def _clear_before(self, pixels: Pixels, seam: Seam) -> None:
        """Paint over what lies before a seam through the first columns."""
        shown = pixels[:, : int(seam.boundary.max(initial=0))]
        shown[np.arange(shown.shape[1])[None, :] < seam.boundary[:, None]] = self._paper

    def _clear_from(self, pixels: Pixels, start: int, seam: Seam) -> None:
        """Paint over what lies behind a seam through the columns from `start` on."""
        shown = pixels[:, start:]
        shown[np.arange(shown.shape[1])[None, :] >= seam.boundary[:, None]] = self._paper

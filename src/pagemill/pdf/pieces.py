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
_ALL = slice(None)
_SAMPLED = 16  # every so many rows and columns: enough to know the paper's colour

Pixels = NDArray[np.uint32]
Images = tuple[bytes | None, tuple[Piece, ...], tuple[str, ...]]


def image_or_pieces(bgrx: Pixels, layout: Layout, contents: Contents) -> Images:
    """Encode a rendering: as one image, or as pieces; and say what may have been damaged by cutting."""
    return (png.encode(bgrx), (), ()) if layout.pieces == 1 else (None, *cut(bgrx, layout, contents))


def cut(bgrx: Pixels, layout: Layout, contents: Contents) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    """Cut a rendering into pieces, row by row. Pieces without ink are left out, but for the first if none has any.

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
    if not pieces:
        first = bgrx[: layout.grid.piece_height, : layout.grid.piece_width]
        pieces.append(Piece(png.encode(first)))
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
        level = [None, *self._level_seams(), None]
        for row, top in enumerate(grid.rows):
            above, below = level[row], level[row + 1]
            band = self.bgrx[top : top + grid.piece_height]
            upright = [None, *self._upright_seams(band), None]
            shared_rows = self._shared_rows[row] if row and not above else 0
            for column, left in enumerate(grid.columns):
                across = slice(left, left + grid.piece_width)
                tile = band[:, across].copy()
                self._clear_before(tile, upright[column])
                self._clear_from(tile, upright[column + 1])
                self._clear_before(tile.T, above, across)
                self._clear_from(tile.T, below, across)
                yield tile, shared_rows / grid.piece_height

    def trimmed(self, tile: Pixels) -> Pixels:
        """A tile without the rows and columns at its edges that are nothing but paper: the model reads them, too."""
        drawn = tile != self._paper
        rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
        top, left = max(rows[0] - _MARGIN_PX, 0), max(columns[0] - _MARGIN_PX, 0)
        return tile[top : rows[-1] + 1 + _MARGIN_PX, left : columns[-1] + 1 + _MARGIN_PX]

    def _level_seams(self) -> list[Seam | None]:
        """The seams between the rows of pieces, as long as the window is wide.

        None where strips cannot be parted without cutting words. Both then keep the overlap; their texts are aligned.
        """
        seams: list[Seam | None] = []
        for top, shared in zip(self.layout.grid.rows[1:], self._shared_rows[1:], strict=True):
            seam = level_seam(ink(self.bgrx[top : top + shared]), self._gap_px)
            is_strip = len(self.layout.grid.columns) == 1
            seams.append(seam if seam.clean or not is_strip else None)
            self.damaged += not seam.clean and not is_strip
        return seams

    def _upright_seams(self, band: Pixels) -> list[Seam]:
        """The seams between the pieces of one row."""
        grid = self.layout.grid
        shared = overlaps(grid.columns, grid.piece_width)
        seams = [
            upright_seam(ink(band[:, left : left + width]), self._gap_px)
            for left, width in zip(grid.columns[1:], shared[1:], strict=True)
        ]
        self.damaged += sum(not seam.clean for seam in seams)
        return seams

    @property
    def _shared_rows(self) -> tuple[int, ...]:
        return overlaps(self.layout.grid.rows, self.layout.grid.piece_height)

    def _clear_before(self, pixels: Pixels, seam: Seam | None, rows: slice = _ALL) -> None:
        """Paint over what lies before a seam, which runs through the first columns of these rows."""
        if seam is None:
            return
        boundary = seam.boundary[rows]
        shown = pixels[:, : int(boundary.max(initial=0))]
        shown[np.arange(shown.shape[1])[None, :] < boundary[:, None]] = self._paper

    def _clear_from(self, pixels: Pixels, seam: Seam | None, rows: slice = _ALL) -> None:
        """Paint over what lies behind a seam, which runs through the last columns of these rows."""
        if seam is None:
            return
        shown = pixels[:, pixels.shape[1] - seam.width :]
        shown[np.arange(seam.width)[None, :] >= seam.boundary[rows][:, None]] = self._paper

"""The UserUnit of pages (PDF 1.6): PDFium ignores it, and no function of it tells."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pikepdf

_BLOCK_BYTES = 2**20
_NAME, _COMPRESSED = b"/UserUnit", b"/ObjStm"  # compressed objects hide the name


class UserUnits:
    """The user units of one document. Files that cannot have any are not opened again."""

    def __init__(self, path: Path) -> None:
        """Configure; nothing is read yet."""
        self._path = path
        self._pdf: pikepdf.Pdf | None = None
        self._opened = False

    def of(self, number: int) -> float:
        """The unit of a page, 1-based, in 1/72 inch; 1 where the file says none that makes sense."""
        if not self._opened:
            self._opened = True
            self._pdf = _open(self._path) if _may_have_units(self._path) else None
        if self._pdf is None:
            return 1.0
        import pikepdf  # noqa: PLC0415 -- loaded by now

        try:
            unit = float(self._pdf.pages[number - 1].obj.get("/UserUnit", 1))
        except (pikepdf.PdfError, IndexError, TypeError, ValueError):
            return 1.0
        return unit if math.isfinite(unit) and unit > 0 else 1.0

    def close(self) -> None:
        """Close the file."""
        if self._pdf is not None:
            self._pdf.close()


def _may_have_units(path: Path) -> bool:
    tail = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            text = tail + block
            if _NAME in text or _COMPRESSED in text:
                return True
            tail = block[-len(_NAME) :]
    return False


def _open(path: Path) -> pikepdf.Pdf | None:
    import pikepdf  # noqa: PLC0415 -- 0.1 s and 20 MiB, which most files need not

    try:
        return pikepdf.open(path)
    except (pikepdf.PdfError, pikepdf.PasswordError):
        return None

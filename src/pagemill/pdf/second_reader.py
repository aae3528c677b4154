"""The second reader: qpdf, through pikepdf. It opens what PDFium has open, and tells what PDFium does not.

PDFium repairs a damaged file without a word, and may lose objects on the way. qpdf warns of each repair.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pikepdf

from pagemill.pdf.layers import Layers

if TYPE_CHECKING:
    from types import TracebackType

_OPEN_DOCUMENTS = 2
_OBJECT = re.compile(r"object (\d+)[ ,]\d+")
_LENGTHS = ("expected endstream", "stream length", "attempting to recover stream")
_READABLE = 160


class SecondReader:
    """One document as qpdf reads it."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            pikepdf.PdfError: qpdf finds no PDF in it.
        """
        self._pdf = pikepdf.open(path, suppress_warnings=True)
        self._warnings: list[str] = []
        self.layers = Layers(self._pdf)
        self.verdicts: dict[tuple[int, int], Any] = {}  # of objects that several pages share

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._pdf.close()

    def page(self, number: int) -> pikepdf.Dictionary | None:
        """A page, 1-based; None if qpdf does not find so many."""
        pages = self._pdf.pages
        return pages[number - 1].obj if 0 < number <= len(pages) else None

    def repairs(self) -> list[str]:
        """What qpdf has had to repair in the file so far, but for lengths of streams: their data shows its own end."""
        try:
            heard = [str(warning) for warning in self._pdf.get_warnings()]
        except UnicodeDecodeError:  # a warning that quotes the damaged bytes
            heard = ["bytes that are no PDF"]
        self._warnings += [warning for warning in heard if not any(length in warning for length in _LENGTHS)]
        return self._warnings


class SecondReaders:
    """Second readers of the latest documents, opened when they are first asked for."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, SecondReader | None] = OrderedDict()

    def of(self, path: Path) -> SecondReader | None:
        """The reader of a file; None if qpdf cannot open it."""
        if path not in self._open:
            try:
                self._open[path] = SecondReader(path)
            except (pikepdf.PdfError, RuntimeError, OSError):
                self._open[path] = None
            if len(self._open) > _OPEN_DOCUMENTS:
                _, oldest = self._open.popitem(last=False)
                if oldest:
                    oldest.close()
        self._open.move_to_end(path)
        return self._open[path]


def in_plain_words(warning: str) -> str:
    """A warning of qpdf without the file's name, cut to a readable length."""
    where = _OBJECT.search(warning)
    text = warning.rsplit("): ", 1)[-1] if "): " in warning else warning.rsplit(": ", 1)[-1]
    text = text.encode("ascii", "backslashreplace").decode()[:_READABLE]
    return f"object {where[1]}: {text}" if where else text

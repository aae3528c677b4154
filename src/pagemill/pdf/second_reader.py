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
from pagemill.pdf.pdf_file import PdfFile

if TYPE_CHECKING:
    from types import TracebackType

# What a damaged file may raise where an entry has a type that it cannot have.
ODD_OBJECTS = (pikepdf.PdfError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError)
_OPEN_DOCUMENTS = 2
_OBJECT = re.compile(r"object (\d+)[ ,]\d+")
# Of lengths: the data shows its own end. And what precedes the warning that says it all.
_UNTOLD = ("expected endstream", "stream length", "lacks /Length", "file is damaged", "can't find startxref")
_REBUILT = "Attempting to reconstruct cross-reference table"
_LEFT_OUT = "Pages tree includes non-dictionary object"
_READABLE = 160
_ZEROED = bytes(8)
_LARGEST_SCANNED = 64 * 2**20
_PIECE_BYTES, _CONTEXT_BYTES = 2**20, 2**16
_NUMBER_BEFORE = re.compile(rb"(\d+)\s+\d+\s+$")


class SecondReader:
    """One document as qpdf reads it."""

    def __init__(self, file: PdfFile) -> None:
        """Open the file.

        Raises:
            pikepdf.PdfError: qpdf finds no PDF in it.
        """
        self._reader = file.reader()
        try:
            self._pdf = pikepdf.open(self._reader, suppress_warnings=True)
        except BaseException:
            self._reader.close()
            raise
        self.layers = Layers(self._pdf)
        self.form = self._pdf.Root.get("/AcroForm")  # of any type, as all that a file says
        self.file_repairs = [in_plain_words(zeroed) for zeroed in zeroed_objects(file)]  # they concern every page
        self.page_repairs: dict[tuple[int, int], list[str]] = {}  # by the page's number among the objects
        self._pages = len(self._pdf.pages)  # the page tree is read here, and repaired
        self._note_repairs_of_pages()
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
        self._reader.close()

    def page(self, number: int) -> pikepdf.Dictionary | None:
        """A page, 1-based; None if qpdf does not find so many, or has left one out: its numbers are others then."""
        known = 0 < number <= self._pages and not any(_LEFT_OUT in said for said in self.file_repairs)
        return self._pdf.pages[number - 1].obj if known else None

    def new_repairs(self) -> list[str]:
        """What qpdf has had to repair in objects since it was last asked. Repairs of the file go to `file_repairs`."""
        return [in_plain_words(warning) for warning in self._heard() if _OBJECT.search(warning)]

    def _note_repairs_of_pages(self) -> None:
        """Note what was repaired to read the page tree. What is no page may have been one: it concerns every page."""
        repairs = [(int(found[1]), warning) for warning in self._heard() if (found := _OBJECT.search(warning))]
        pages = {page.obj.objgen for page in self._pdf.pages} if repairs else set()
        for number, warning in repairs:
            said = in_plain_words(warning)
            if (number, 0) in pages:
                self.page_repairs.setdefault((number, 0), []).append(said)
            elif said not in self.file_repairs:
                self.file_repairs.append(said)

    def _heard(self) -> list[str]:
        try:
            heard = [str(warning) for warning in self._pdf.get_warnings()]
        except UnicodeDecodeError:  # one quotes the damaged bytes
            heard = ["bytes that are no PDF"]
        heard = [warning for warning in heard if not any(untold in warning for untold in _UNTOLD)]
        for warning in heard:
            said = "its table of objects was rebuilt" if _REBUILT in warning else in_plain_words(warning)
            if not _OBJECT.search(warning) and said not in self.file_repairs:
                self.file_repairs.append(said)
        return heard


def zeroed_objects(file: PdfFile) -> list[str]:
    """Say which objects have zeroed bytes outside of their streams.

    A zero byte is white space in a PDF: whatever a damaged disk wiped out there is gone without a syntax error.
    """
    if not 0 < file.size <= _LARGEST_SCANNED:
        return []
    found: list[str] = []
    before = b""  # what precedes a piece: enough to know what it is part of
    with file.reader() as reader:
        while piece := reader.read(_PIECE_BYTES):
            data = before + piece
            found += _zeroed_in(data, len(before))
            before = data[-_CONTEXT_BYTES:]
    return found


def _zeroed_in(data: bytes, start: int) -> list[str]:
    found = []
    position = data.find(_ZEROED, max(start - len(_ZEROED) + 1, 0))
    while position >= 0:
        stream = max(data.rfind(b"stream\n", 0, position), data.rfind(b"stream\r", 0, position))
        in_stream = stream >= 0 and data[max(stream - 3, 0) : stream] != b"end"
        after = b"endstream"
        if not in_stream:
            after = b"obj"
            head = data.rfind(b"obj", 0, position)
            number = _NUMBER_BEFORE.search(data[max(head - 16, 0) : head]) if head >= 0 else None
            if number and b"/Standard" not in data[head:position]:  # passwords hold any bytes
                found.append(f"(object {number[1].decode()} 0): bytes of it are zeroed")
        end = data.find(after, position)
        position = data.find(_ZEROED, end) if end >= 0 else -1
    return found


class SecondReaders:
    """Second readers of the latest documents, opened when they are first asked for."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, SecondReader | None] = OrderedDict()

    def of(self, file: PdfFile) -> SecondReader | None:
        """The reader of a file; None if qpdf cannot open it."""
        path = file.path
        if path not in self._open:
            try:
                self._open[path] = SecondReader(file)
            except (*ODD_OBJECTS, OSError):
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

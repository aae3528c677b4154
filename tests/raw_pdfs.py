"""PDFs written byte by byte, so that no library puts right what a test makes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

PAGES, FONT, FIRST_PAGE = 2, 3, 10  # object numbers; a page is an even one, its contents the next


def write_raw(path: Path, objects: Mapping[int, bytes], *, trailer: bytes = b"") -> Path:
    """Write a PDF with these objects, and a cross-reference table that is right."""
    path.write_bytes(raw(objects, trailer=trailer))
    return path


def raw(objects: Mapping[int, bytes], *, trailer: bytes = b"") -> bytes:
    """The bytes of a PDF with these objects; object 1 is the catalog."""
    body, offsets = bytearray(b"%PDF-1.7\n"), {}
    for number, content in objects.items():
        offsets[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start, size = len(body), max(objects) + 1
    lines = [b"%010d 00000 n \n" % offsets[n] if n in offsets else b"0000000000 65535 f \n" for n in range(size)]
    body += b"xref\n0 %d\n%s" % (size, b"".join(lines))
    return bytes(body + b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start))


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object."""
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(content), entries, content)


def kids(count: int) -> bytes:
    """References to the pages of `lettered`."""
    return b" ".join(b"%d 0 R" % (FIRST_PAGE + 2 * index) for index in range(count))


def lettered(texts: Sequence[str], *, tree: bytes | None = None) -> dict[int, bytes]:
    """The objects of a document with one line on each page.

    Args:
        texts: The lines; ASCII, without parentheses.
        tree: The root of the page tree, instead of a right one.
    """
    right = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(texts), kids(len(texts)))
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        PAGES: right if tree is None else tree,
        FONT: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for index, text in enumerate(texts):
        number = FIRST_PAGE + 2 * index
        objects[number] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R/Resources<</Font<</F1 3 0 R>>>>>>"
        ) % (number + 1)
        objects[number + 1] = stream(b"BT /F1 24 Tf 72 420 Td (%s) Tj ET" % text.encode())
    return objects

"""Small PDFs written byte by byte: what no library would write."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

HELVETICA = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
FONTS = b"<< /Font << /F1 5 0 R >> >>"
TEXT = b"BT /F1 18 Tf 72 700 Td (INVOICE 4711: 1,280.00 EUR) Tj ET"


def stream(data: bytes, entries: bytes = b"", *, length: int | None = None) -> bytes:
    """An object with data. `length` overrides the true one."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data) if length is None else length, entries, data)


def deflated(data: bytes, entries: bytes = b"") -> bytes:
    """An object with compressed data."""
    return stream(zlib.compress(data, 9), b"/Filter /FlateDecode " + entries)


def raw_pdf(
    path: Path,
    contents: bytes = b"",
    *,
    resources: bytes = FONTS,
    page: bytes = b"",
    catalog: bytes = b"",
    box: bytes = b"[0 0 612 792]",
    objects: Mapping[int, bytes] | None = None,
) -> Path:
    """Write a page. Objects 1 to 5 are catalog, page tree, page, contents and font; `objects` replaces, and adds."""
    numbered = {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox %s /Resources %s /Contents 4 0 R %s >>" % (box, resources, page),
        4: deflated(contents),
        5: HELVETICA,
        **(objects or {}),
    }
    out = bytearray(b"%PDF-1.7\n")
    offsets = {}
    for number, body in sorted(numbered.items()):
        if body:
            offsets[number] = len(out)
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (max(numbered) + 1)
    for number in range(1, max(numbered) + 1):
        out += b"%010d 00000 n \n" % offsets[number] if number in offsets else b"0000000000 65535 f \n"
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (max(numbered) + 1, table)
    path.write_bytes(out)
    return path

"""Notices files whose end is missing. PDFium reads what is left, or an older revision, without a word."""

from __future__ import annotations

import os
import re
from typing import IO

from pagemill.pdf.pdf_file import PdfFile

_END = b"%%EOF"
_OBJECT = re.compile(rb"(?<!\d)\d+\s+\d+\s+obj\b")
_XREF = re.compile(rb"(?:^|[\r\n])\s*(?:xref|startxref|trailer)\b")
_LINEARIZED = re.compile(rb"/Linearized\b")
_LENGTH = re.compile(rb"/L\s+(\d+)")
_HEAD_BYTES = 1024
_BLOCK_BYTES = 2**16
_LONGEST_REST = 2**20  # of what follows the end mark; an object begins at once


def findings(file: PdfFile) -> tuple[str, ...]:
    """Say whether the end of a PDF is missing. Other bytes after the end, as mail gateways add them, are ignored."""
    with file.reader() as reader:
        head, size = reader.read(_HEAD_BYTES), reader.seek(0, os.SEEK_END)
        length = _LENGTH.search(head) if _LINEARIZED.search(head) else None
        if length and int(length[1]) > size:
            return (f"the file is cut off: it has {size:,} of {int(length[1]):,} bytes",)
        rest = _after_end_mark(reader, size)
    if rest is None:
        return ("the file is cut off, or its end is damaged: it has no end mark",)
    if _OBJECT.search(rest):
        return ("incremental update cut off: an older revision is shown",)
    if _XREF.search(rest):
        return ("incremental update cut off: an older revision may be shown",)
    return ()


def _after_end_mark(file: IO[bytes], size: int) -> bytes | None:
    """What follows the last end mark, or its first part; None if there is no end mark."""
    after, end = b"", size
    while end > 0:
        start = max(end - _BLOCK_BYTES, 0)
        file.seek(start)
        block = file.read(end - start) + after[: len(_END) - 1]
        found = block.rfind(_END)
        if found >= 0:
            return (block + after[len(_END) - 1 :])[found + len(_END) :]
        after, end = (block[: end - start] + after)[:_LONGEST_REST], start
    return None

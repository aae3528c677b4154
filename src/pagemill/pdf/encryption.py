"""Tells encryption that a password opens from encryption that needs a certificate, or software of one vendor."""

from __future__ import annotations

import re

from pagemill.pdf.pdf_file import PdfFile

_REFERENCE = re.compile(rb"/Encrypt\s+(\d+)\s+(\d+)\s+R")
_DIRECT = re.compile(rb"/Encrypt\s*<<")
_FILTER = re.compile(rb"/Filter\s*/([^\s/<>\[\]()]+)")
_LONGEST_DICTIONARY = 2**16
_LARGEST_BYTES = 2**29  # a render worker has 2 GiB of memory
_CERTIFICATES = ("Adobe.PubSec", "Entrust.PPKEF")
_PASSWORDS = "Standard"


def why_no_password_opens(file: PdfFile) -> str:
    """Why no password can open an encrypted file; empty if one can, or if nothing is known.

    The file is searched for its encryption dictionary, which is never itself encrypted or compressed.
    """
    if file.size > _LARGEST_BYTES:
        return ""
    with file.reader() as reader:
        handler = _handler(reader.read())
    if handler in _CERTIFICATES:
        return (
            f"encrypted for certificates ({handler}): it needs a certificate with its key, no password opens it; "
            "open it where the certificate is installed, and save it without encryption"
        )
    if handler and handler != _PASSWORDS:
        return f"encrypted by {handler}, which only its own software opens; save the document there without encryption"
    return ""


def _handler(data: bytes) -> str:
    """The name of the security handler; empty if it is not found."""
    for start in _dictionaries(data):
        found = _FILTER.search(data, start, start + _LONGEST_DICTIONARY)
        if found:
            return found[1].decode("ascii", "replace")
    return ""


def _dictionaries(data: bytes) -> list[int]:
    """Where encryption dictionaries begin, those of the last revision first."""
    starts = [match.end() for match in _DIRECT.finditer(data)]
    for number, generation in {match.groups() for match in _REFERENCE.finditer(data)}:
        opening = re.compile(rb"(?<!\d)%s\s+%s\s+obj" % (number, generation))
        starts += [match.end() for match in opening.finditer(data)]
    return sorted(starts, reverse=True)

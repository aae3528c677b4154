"""Which names of a source are documents to read, and which say that something else is not read."""

from __future__ import annotations

import mimetypes
import re
from fnmatch import fnmatchcase

_BEGUN = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp")  # ends of names of unfinished downloads
_PDF_TYPES = {"application/pdf", "application/x-pdf"}
_UNKNOWN_TYPE = "application/octet-stream"
_IMAGES = tuple(".bmp .djvu .gif .heic .heif .jfif .jp2 .jpeg .jpg .png .tif .tiff .webp".split())


def matches(key: str, glob: str) -> bool:
    """Whether a key matches a glob. A glob without `/` is matched with the file name only; an empty one matches all."""
    return not glob or fnmatchcase(key if "/" in glob else key.rpartition("/")[2], glob)


def asks_for(key: str, glob: str) -> bool:
    """Whether a glob asks for a key even if its name is not that of a PDF: `scans/*` does, `*.pdf` and no glob do not.

    Hidden files and unfinished downloads are never asked for.
    """
    last = key.rpartition("/")[2].lower()
    if not glob or glob.lower().endswith(".pdf") or not last or last.startswith(".") or last.endswith(_BEGUN):
        return False
    return matches(key, glob)


def is_pdf_name(name: str) -> bool:
    """Whether a name is that of a PDF that is not hidden."""
    return name.lower().endswith(".pdf") and not name.rpartition("/")[2].startswith(".")


def is_pdf_object(name: str, content_type: str) -> bool:
    """Whether an object is a PDF by its name, or by its type where its name says nothing else. Hidden ones are not."""
    last = name.rpartition("/")[2]
    if is_pdf_name(name):
        return True
    return bool(last) and not last.startswith(".") and says_nothing(last) and content_type in _PDF_TYPES


def says_nothing(name: str) -> bool:
    """Whether the end of a name says nothing of what an object is."""
    return (mimetypes.guess_type(name)[0] or _UNKNOWN_TYPE) == _UNKNOWN_TYPE


def image_ending(name: str) -> str:
    """The ending of an image's name that is not hidden, in small letters; empty for any other name."""
    last = name.rpartition("/")[2].lower()
    return next((ending for ending in _IMAGES if last.endswith(ending) and not last.startswith(".")), "")


def may_be_misnamed(name: str) -> bool:
    """Whether a name that is not a PDF's may be one by mistake: `a.pdf `, `a.pdf.1`, `a.PDF;1`, or no ending at all."""
    last = name.rpartition("/")[2].lower()
    if not last or last.startswith(".") or is_pdf_name(last) or last.endswith(_BEGUN):
        return False
    return "." not in last or ".pdf" in last


def may_match_below(folder: str, glob: str) -> bool:
    """Whether a glob may match a document below a folder, by the part of the glob before its first wildcard."""
    beginning = re.split(r"[*?\[]", glob, maxsplit=1)[0] if "/" in glob else ""
    return beginning.startswith(f"{folder}/") or f"{folder}/".startswith(beginning)

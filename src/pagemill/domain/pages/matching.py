"""Which names of a source are documents to read."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_BEGUN = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp")  # ends of names of unfinished downloads


def matches(key: str, glob: str) -> bool:
    """Whether a key matches a glob. A glob without `/` is matched with the file name only; an empty one matches all."""
    return not glob or fnmatchcase(key if "/" in glob else key.rpartition("/")[2], glob)


def is_pdf_name(name: str) -> bool:
    """Whether a name is that of a PDF that is not hidden."""
    return name.lower().endswith(".pdf") and not name.rpartition("/")[2].startswith(".")


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

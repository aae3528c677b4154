"""Which names of a source are documents to read."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(key: str, glob: str) -> bool:
    """Whether a key matches a glob. A glob without `/` is matched with the file name only; an empty one matches all."""
    return not glob or fnmatchcase(key if "/" in glob else key.rpartition("/")[2], glob)


def is_pdf_name(name: str) -> bool:
    """Whether a name is that of a PDF that is not hidden."""
    return name.lower().endswith(".pdf") and not name.rpartition("/")[2].startswith(".")

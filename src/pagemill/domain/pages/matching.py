"""Which documents a user means."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(key: str, glob: str) -> bool:
    """Tell whether a key matches a glob; a glob without `/` looks at the file name alone, an empty one at nothing."""
    return not glob or fnmatchcase(key if "/" in glob else key.rpartition("/")[2], glob)


def is_pdf_name(name: str) -> bool:
    """Tell whether a name is one of a PDF that is meant to be seen."""
    return name.lower().endswith(".pdf") and not name.rpartition("/")[2].startswith(".")

"""Text files that name documents one a line."""

from __future__ import annotations

import codecs
import contextlib
import io
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.errors import StoreUnusable
from pagemill.storage.folder import kind_problem

OBJECTS = "gs://"  # how entries begin that are no local files
_LONGEST_LINE = 2**16  # characters of a list; names of files and objects are shorter


def list_entries(path: Path) -> Generator[tuple[int, str], None, None]:
    """Yield the entries of a list with their line numbers; blank lines and comments are skipped.

    Raises:
        StoreUnusable: The list cannot be read.
    """
    try:
        if problem := kind_problem(path.stat().st_mode):
            raise StoreUnusable(f"{path}: {problem}")
        with path.open("rb") as file:
            yield from entries_in(file, str(path))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise StoreUnusable(f"{path}: the list cannot be read: {error}") from error


def entries_in(file: IO[bytes], name: str) -> Generator[tuple[int, str], None, None]:
    """Yield the entries of an open list, as `list_entries` does.

    Bytes that are not UTF-8 are kept, as `os.fsdecode` keeps them: names of files may have any bytes.

    Args:
        file: The list, from its beginning.
        name: Of the list, for messages.

    Raises:
        StoreUnusable: It is no list.
    """
    if file.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        raise StoreUnusable(f"{name}: the list is UTF-16; save it as UTF-8")
    file.seek(0)
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape") as lines:
        for number, line in enumerate(iter(partial(lines.readline, _LONGEST_LINE), ""), start=1):
            if len(line) == _LONGEST_LINE:
                raise StoreUnusable(f"{name}: line {number} is longer than {_LONGEST_LINE:,} characters; no list is")
            entry = line.strip()
            if entry and not entry.startswith("#"):
                yield number, entry


def at(where: str, entry: Document | RejectedEntry) -> Document | RejectedEntry:
    """An entry of a list; if it is rejected, with its line."""
    return replace(entry, reason=f"{where}: {entry.reason}") if isinstance(entry, RejectedEntry) else entry


def names_objects(path: Path) -> bool:
    """Tell whether a list names gs:// objects: its first entry decides. False for a list that cannot be read."""
    try:
        with contextlib.closing(list_entries(path)) as entries:
            return next(entries, (0, ""))[1].startswith(OBJECTS)
    except StoreUnusable:
        return False

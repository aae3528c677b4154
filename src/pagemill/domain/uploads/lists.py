"""Lists of uploads: one list is what one run reads. Its text names each object with its generation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator

from pagemill.domain.uploads.notifications import Upload
from pagemill.domain.wording import counted

_LINE = re.compile(r"gs://([^/]+)/(.+)\t([0-9]+)")


def list_text(uploads: Collection[Upload]) -> str:
    """The list of these uploads: the same text, whatever their order is."""
    head = f"# {counted(len(uploads), 'upload')}; after each object, the generation that is to be read"
    return "\n".join([head, *(f"{upload.location}\t{upload.generation}" for upload in sorted(uploads)), ""])


def list_id(uploads: Collection[Upload]) -> str:
    """16 hex digits that say which uploads a list has."""
    return hashlib.sha256(list_text(uploads).encode()).hexdigest()[:16]


def read_list(text: bytes) -> Iterator[Upload]:
    """Yield the uploads of a list. Any other line is skipped: it is nobody's upload."""
    for line in text.decode("utf-8", "replace").split("\n"):
        if found := _LINE.fullmatch(line):
            yield Upload(found[1], found[2], int(found[3]))

"""PDFs on the local file system: one file, a folder, or a list of either."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

from pagemill.domain.pages.matching import is_pdf_name, matches
from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.errors import DocumentUnreadable, StoreUnusable

_OBJECTS = "gs://"


class LocalSource:
    """Documents below a folder, or one file.

    A document's key is its path below the folder; its version is the SHA-256 of its bytes, so a file that was
    copied or touched is still the same document.
    """

    def __init__(self, path: Path, *, include: str = "") -> None:
        """Configure; nothing is read yet.

        Args:
            path: A PDF, or a folder that is searched for `*.pdf` (any case); hidden files and folders are left out.
            include: Keep only documents whose key matches this glob; one without `/` is matched with the file name.
        """
        self.name = str(path)
        self._path = path
        self._include = include

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in key order; a file that cannot be read becomes a rejected entry.

        Raises:
            StoreUnusable: There is no such file or folder, or no PDF in it.
        """
        if not self._path.exists():
            raise StoreUnusable(f"{self.name}: no such file or folder")
        found = False
        for key, path in self._candidates():
            if not matches(key, self._include):
                continue
            found = True
            yield describe(key, path)
        if not found:
            wanted = f"matching '{self._include}' " if self._include else ""
            raise StoreUnusable(f"{self.name}: no PDFs {wanted}in it (files ending in .pdf, in subfolders too)")

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[Path]:
        """Provide the file itself.

        Raises:
            DocumentUnreadable: The file was deleted after it was listed.
        """
        with _as_file(Path(document.location)) as file:
            yield file

    def _candidates(self) -> Iterator[tuple[str, Path]]:
        if self._path.is_file():
            yield printable(self._path.name), self._path
            return
        for path in _pdfs_below(self._path):
            yield printable(path.relative_to(self._path).as_posix()), path


class ListedSource:
    """Documents named one a line in a text file; blank lines and lines that begin with `#` are skipped.

    Relative names are relative to the list's own folder. A name is also the document's key: as written if it is inside
    that folder, otherwise its absolute path without the leading slash.
    """

    def __init__(self, path: Path, *, include: str = "") -> None:
        """Configure; nothing is read yet."""
        self.name = str(path)
        self._path = path
        self._include = include
        self._found: set[str] = set()  # keys

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in the list's order, each once; a wrong line becomes a rejected entry that names it.

        Raises:
            StoreUnusable: The list cannot be read, or names nothing.
        """
        for line_number, entry in list_entries(self._path):
            yield from self._entry(entry, line_number)
        if not self._found:
            raise StoreUnusable(f"{self.name}: the list names no PDF that could be read; write one path a line")

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[Path]:
        """Provide the file itself.

        Raises:
            DocumentUnreadable: The file was deleted after it was listed.
        """
        with _as_file(Path(document.location)) as file:
            yield file

    def _entry(self, entry: str, line_number: int) -> Iterator[Document | RejectedEntry]:
        path = self._path.parent / entry
        where = f"line {line_number} of {self.name}"
        if entry.startswith(_OBJECTS):
            hint = (
                "a list names either local files or gs:// objects, not both; put the objects into a list of their own"
            )
            yield RejectedEntry(self._key(path), f"{where}: {entry} is not a local file; {hint}")
            return
        if not path.exists():
            yield RejectedEntry(self._key(path), f"{where}: no such file or folder: {entry}")
            return
        files = list(_pdfs_below(path)) if path.is_dir() else [path]
        if not files:
            yield RejectedEntry(self._key(path), f"{where}: no PDFs in the folder {entry}")
        for file in files:
            key = self._key(file)
            if key not in self._found and matches(key, self._include):
                self._found.add(key)
                yield describe(key, file)

    def _key(self, path: Path) -> str:
        absolute, folder = os.path.abspath(path), os.path.abspath(self._path.parent)  # noqa: PTH100 -- keeps symlinks
        with contextlib.suppress(ValueError):
            return printable(Path(absolute).relative_to(folder).as_posix())
        return printable(absolute.lstrip("/"))


def list_entries(path: Path) -> Generator[tuple[int, str], None, None]:
    """Yield the entries of a list with their line numbers; blank lines and comments are skipped.

    Raises:
        StoreUnusable: The list cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                entry = line.strip()
                if entry and not entry.startswith("#"):
                    yield number, entry
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnusable(f"{path}: the list cannot be read: {error}") from error


def names_objects(path: Path) -> bool:
    """Tell whether a list names gs:// objects: its first entry decides. False for a list that cannot be read."""
    try:
        with contextlib.closing(list_entries(path)) as entries:
            return next(entries, (0, ""))[1].startswith(_OBJECTS)
    except StoreUnusable:
        return False


def printable(name: str) -> str:
    """A file name as text: bytes that are not UTF-8, as in archives of older systems, become hexadecimal escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def describe(key: str, path: Path) -> Document | RejectedEntry:
    """Turn a file into a document, or into a rejected entry that says why."""
    try:
        with path.open("rb") as file:
            version = hashlib.file_digest(file, "sha256").hexdigest()
            return Document(key, version, os.fstat(file.fileno()).st_size, str(path))
    except OSError as error:
        return RejectedEntry(key, f"the file cannot be read: {error.strerror or error}")


@contextlib.contextmanager
def _as_file(path: Path) -> Iterator[Path]:
    """Provide a file under a name that PDFium can open: UTF-8."""
    if not path.is_file():
        raise DocumentUnreadable("the file was deleted after the run began")
    if printable(str(path)) == str(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="pagemill-") as folder:
        link = Path(folder) / "document.pdf"
        link.symlink_to(path.absolute())
        yield link


def _pdfs_below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if is_pdf_name(name):
                yield Path(parent) / name

"""PDFs on the local file system: one file, a folder, or a list of either."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pagemill.domain.pages.matching import asks_for, matches, may_match_below
from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.domain.pages.period import ALWAYS, Period
from pagemill.domain.wording import passed_over, shown
from pagemill.errors import StoreUnusable, out_of_resources
from pagemill.ports import LocalCopy
from pagemill.storage.files import StillWritten, digest, opened
from pagemill.storage.folder import Found, kind_problem, real, walk, without_waiting
from pagemill.storage.lists import OBJECTS, at, list_entries


class LocalSource:
    """Documents below a folder, or one file.

    A document's key is its path below the folder; its version is the SHA-256 of its bytes, so a file that was
    copied or touched is still the same document.
    """

    def __init__(self, path: Path, *, include: str = "", without: Path | None = None, period: Period = ALWAYS) -> None:
        """Configure; nothing is read yet.

        Args:
            path: A PDF, or a folder that is searched for `*.pdf` (any case); hidden files and folders are left out.
            include: Keep only documents whose key matches this glob; one without `/` is matched with the file name.
                One that does not end in .pdf also asks for PDFs of other names.
            without: A folder that is not searched: the results may be written into the source.
            period: Keep only files that were last modified in it: most file systems do not know when one was created.
        """
        self.name = str(path)
        self.images: Counter[str] = Counter()
        self._path = path
        self._include = include
        self._without = without
        self._period = period

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in the order of names; a file or folder that cannot be read becomes a rejected entry.

        Raises:
            StoreUnusable: There is no such file or folder, it cannot be read, or there is no PDF in it.
        """
        if not _exists(self._path):
            raise StoreUnusable(f"{shown(self.name)}: no such file or folder")
        found = False
        try:
            for entry in self._entries():
                found = True
                if isinstance(entry, RejectedEntry):
                    self._check_still_there()
                yield entry
        except OSError as error:
            if lacking := out_of_resources(error):
                raise lacking from error
            raise StoreUnusable(f"{shown(self.name)} cannot be read: {error.strerror or error}") from error
        if not found:
            wanted = (f"matching '{self._include}' " if self._include else "") + _modified(self._period)
            beside = f"; {passed_over(self.images)}" if self.images else ""
            raise StoreUnusable(
                f"{shown(self.name)}: no PDFs {wanted}in it (files ending in .pdf, in subfolders too){beside}"
            )

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[LocalCopy]:
        """Provide the file itself, opened once for all processes.

        Raises:
            DocumentChanged: The file was deleted, replaced or changed after it was listed.
            StoreUnusable: The whole source is gone.
        """
        self._check_still_there()
        with opened(document) as file:
            yield file

    def _check_still_there(self) -> None:
        if not _exists(self._path):
            raise StoreUnusable(f"{shown(self.name)} is gone since the run began; put it back and run again")

    def _entries(self) -> Iterator[Document | RejectedEntry]:
        if not self._path.is_dir():
            key = printable(self._path.name)
            wanted = matches(key, self._include) and _is_of(self._path, self._period)
            yield from [describe(key, self._path)] if wanted else []
            return
        for found in walk(
            self._path, without=self._without, asked_for=lambda path: asks_for(self._key(path), self._include)
        ):
            key = self._key(found.path)
            if found.is_folder:
                yield from [_not_read(key, found)] if may_match_below(key, self._include) else []
                continue
            wanted = matches(key, self._include) and _is_of(found.path, self._period)
            if found.image:
                self.images.update([found.image] if wanted else [])
            elif wanted:
                yield _not_read(key, found) if found.problem else describe(key, found.path)

    def _key(self, path: Path) -> str:
        return printable(path.relative_to(self._path).as_posix())


class ListedSource:
    """Documents named one a line in a text file; blank lines and lines that begin with `#` are skipped.

    Relative names are relative to the list's own folder. A name is also the document's key: as written if it is inside
    that folder, otherwise its absolute path without the leading slash.

    One file under several names is read once, under its first one; a link to a file counts as a file of its own.
    """

    def __init__(self, path: Path, *, include: str = "", without: Path | None = None, period: Period = ALWAYS) -> None:
        """Configure; nothing is read yet. `include`, `without` and `period` are as those of `LocalSource`."""
        self.name = str(path)
        self.images: Counter[str] = Counter()
        self._path = path
        self._include = include
        self._without = without
        self._period = period
        self._found: dict[str, Path] = {}  # keys, each with its file
        self._files: set[Path] = set()

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in the list's order, each once; a wrong line becomes a rejected entry that names it.

        Raises:
            StoreUnusable: The list cannot be read, or names nothing.
        """
        for line_number, entry in list_entries(self._path):
            yield from self._entry(entry, line_number)
        if not self._found:
            raise StoreUnusable(
                f"{self.name}: the list names no PDF {_modified(self._period)}that could be read; write one path a line"
            )

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[LocalCopy]:
        """Provide the file itself, opened once for all processes.

        Raises:
            DocumentChanged: The file was deleted, replaced or changed after it was listed.
        """
        with opened(document) as file:
            yield file

    def _entry(self, entry: str, line_number: int) -> Iterator[Document | RejectedEntry]:
        path = self._path.parent / entry
        where = f"line {line_number} of {self.name}"
        if entry.startswith(OBJECTS):
            hint = (
                "a list names either local files or gs:// objects, not both; put the objects into a list of their own"
            )
            yield RejectedEntry(self._key(path), f"{where}: {shown(entry)} is not a local file; {hint}")
            return
        if not _exists(path):
            hint = "; a list holds whole paths, `~` has no meaning in it" if entry.startswith("~") else ""
            yield RejectedEntry(self._key(path), f"{where}: no such file or folder: {shown(entry)}{hint}")
            return
        try:
            files = list(self._below(path)) if path.is_dir() else [Found(path)]
        except OSError as error:
            if lacking := out_of_resources(error):
                raise lacking from error
            reason = f"it cannot be read: {error.strerror}"
            yield RejectedEntry(self._key(path), f"{where}: {reason}", has_folder=False, shared_cause=reason)
            return
        if all(file.image for file in files):
            yield RejectedEntry(self._key(path), f"{where}: no PDFs in the folder {shown(entry)}")
        for file in files:
            yield from self._file(file, where)

    def _below(self, folder: Path) -> Iterator[Found]:
        return walk(folder, without=self._without, asked_for=lambda path: asks_for(self._key(path), self._include))

    def _file(self, found: Found, where: str) -> Iterator[Document | RejectedEntry]:
        key = self._key(found.path)
        if not (may_match_below(key, self._include) if found.is_folder else matches(key, self._include)):
            return
        if not found.is_folder and not _is_of(found.path, self._period):
            return
        if found.image:
            self.images[found.image] += 1
            return
        if found.problem:
            yield at(where, _not_read(key, found))
            return
        file = real(found.path.parent) / found.path.name  # `b/../a.pdf` is `a.pdf`, unless `b` is a link
        if file in self._files:
            return
        self._files.add(file)
        other = self._found.setdefault(key, file)
        if other == file:
            yield at(where, describe(key, found.path))
            return
        reason = f"{where}: {shown(str(found.path))} would have the same folder as {shown(str(other))}"
        advice = "which is read; put it into a list of its own, with another destination"
        yield RejectedEntry(f"{key} ({where})", f"{reason}, {advice}", has_folder=False)

    def _key(self, path: Path) -> str:
        absolute, folder = os.path.abspath(path), os.path.abspath(self._path.parent)  # noqa: PTH100 -- keeps symlinks
        with contextlib.suppress(ValueError):
            return printable(Path(absolute).relative_to(folder).as_posix())
        return printable(absolute.lstrip("/"))


def _is_of(path: Path, period: Period) -> bool:
    """Whether a file was last modified in a period; True also if that may not be known, so that the reason is found."""
    if not period:
        return True
    try:
        return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC) in period
    except (OSError, ValueError, OverflowError):
        return True


def _modified(period: Period) -> str:
    return f"modified {period}" if period else ""


def printable(name: str) -> str:
    r"""A file name as text: bytes that are not UTF-8, as in archives of older systems, become escapes such as `\xff`.

    No two names become equal: where a name itself holds such an escape, its backslash becomes `\x5c`.
    """
    encoded = name.encode("utf-8", "surrogateescape")
    return re.sub(rb"\\(?=x[0-9a-f]{2})", rb"\\x5c", encoded).decode("utf-8", "backslashreplace")


def describe(key: str, path: Path) -> Document | RejectedEntry:
    """Turn a file into a document, or into a rejected entry that says why.

    Raises:
        OutOfResources: The machine opens no further file.
    """
    try:
        if problem := kind_problem(path.stat().st_mode):  # a pipe would be waited for, and some devices never end
            return _special(key, problem)
        with open(path, "rb", opener=without_waiting) as file:
            status = os.fstat(file.fileno())
            if problem := kind_problem(status.st_mode):
                return _special(key, problem)
            version, stamp = digest(file)
            return Document(key, version, status.st_size, str(path), stamp, file_url(path))
    except StillWritten as error:
        return RejectedEntry(key, str(error))
    except OSError as error:
        if lacking := out_of_resources(error):
            raise lacking from error
        reason = f"the file cannot be read: {error.strerror or error}"
        return RejectedEntry(key, reason, shared_cause=reason)


def file_url(path: Path) -> str:
    """A file's absolute name as a URL: unambiguous for any bytes. It names no host: containers change theirs."""
    if ".." in path.parts:
        path = real(path.parent) / path.name
    return path.absolute().as_uri()


def _special(key: str, problem: str) -> RejectedEntry:
    return RejectedEntry(key, f"{problem}; remove it from the source")


def _not_read(key: str, found: Found) -> RejectedEntry:
    return RejectedEntry(f"{key}/" if found.is_folder else key, found.problem, has_folder=False)


def _exists(path: Path) -> bool:
    """Whether there is anything; True also where that may not be known, so that the reason is found later."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    except ValueError:  # a NUL character: no file has such a name
        return False
    return True

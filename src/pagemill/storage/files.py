"""Local files that may change while they are read: opened once, and checked after each page.

A document's version is the digest of its bytes. So the file that is read must be the file that was digested: the same
inode, with the same size and times. The digest is computed again only where these differ.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from pagemill.domain.pages.model import Document
from pagemill.errors import DocumentChanged, DocumentWithheld
from pagemill.storage.folder import kind_problem, without_waiting

_TICK_SECONDS = 0.02  # a file's times are at most this coarse where they have fractions of a second ...
_COARSE_TICK_SECONDS = 2.0  # ... and where they have none, as on FAT
_NANOSECONDS = 1_000_000_000


class StillWritten(OSError):
    """A file that changes while it is digested."""


@dataclass(frozen=True, slots=True)
class PrivateCopy:
    """A file of our own, which nobody else changes."""

    path: Path

    def check(self) -> None:
        """Nothing to check."""


class OpenFile:
    """A document's file, held open. It stays readable if its name is replaced or deleted."""

    def __init__(self, file: BufferedReader, path: Path, version: str, *, name: Path | None) -> None:
        """Hold an open file that is known to have this version.

        Args:
            file: The file.
            path: Where all processes open it.
            version: The digest of its bytes.
            name: Its name, where processes open it by name: then the name must go on leading to this file.
        """
        self.path = path
        self._file = file
        self._version = version
        self._name = name
        self._stat = os.fstat(file.fileno())
        self._changed: DocumentChanged | None = None
        self._checking = threading.Lock()

    def check(self) -> None:
        """Check that the file has not been changed since it was opened; see `ports.LocalCopy`.

        Renaming, linking and deleting a file also change its status time: then its bytes are digested again.

        Raises:
            DocumentChanged: It was changed.
        """
        with self._checking:
            if self._changed is None and not self._is_unchanged():
                self._changed = DocumentChanged("the file was changed or replaced while it was read; run again")
        if self._changed:
            raise DocumentChanged(str(self._changed))

    def _is_unchanged(self) -> bool:
        now = os.fstat(self._file.fileno())
        if self._name and not _leads_to(self._name, now):
            return False
        if _stamp(now) == _stamp(self._stat):
            return True
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            return False
        with contextlib.suppress(OSError):
            version, stamp = digest(self._file)
            self._stat = now
            return version == self._version and stamp == _stamp(now)
        return False


@contextlib.contextmanager
def opened(document: Document) -> Iterator[OpenFile]:
    """Open a listed file once, for all processes.

    Raises:
        DocumentChanged: It was deleted, replaced or changed after it was listed.
        DocumentWithheld: It cannot be opened.
    """
    name = Path(document.location)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(name, "rb", opener=without_waiting))
            if kind_problem(os.fstat(file.fileno()).st_mode):
                raise DocumentChanged("the file was replaced by something else after it was listed; run again")
            if document.stamp != _stamp(os.fstat(file.fileno())) and digest(file)[0] != document.version:
                raise DocumentChanged("the file was changed after it was listed; run again")
        except FileNotFoundError as error:
            raise DocumentChanged("the file was deleted after the run began") from error
        except StillWritten as error:
            raise DocumentChanged(str(error)) from error
        except OSError as error:
            reason = f"the file cannot be read: {error.strerror or error}"
            raise DocumentWithheld(reason, cause=reason) from error
        held = _descriptor(file)
        path = _linked(held or name.absolute(), stack) or name
        yield OpenFile(file, path, document.version, name=None if held and path != name else name)


def _descriptor(file: BufferedReader) -> Path | None:
    """A path by which other processes open the same file, whatever becomes of its name; None on systems without one."""
    path = Path("/proc") / str(os.getpid()) / "fd" / str(file.fileno())
    return path if path.exists() else None


def _linked(target: Path, stack: contextlib.ExitStack) -> Path | None:
    """A link in a folder of its own. Descriptors are numbered anew, but such a path never names two documents.

    PDFium can open it, whatever bytes the name of the file has. None if no folder can be created.
    """
    try:
        link = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagemill-"))) / "document.pdf"
        link.symlink_to(target)
    except OSError:
        return None
    return link


def digest(file: BufferedReader) -> tuple[str, str]:
    """The digest of an open file, and a stamp: as long as the file has this stamp, it has this digest.

    Returns:
        SHA-256 in hexadecimal digits, and the stamp.

    Raises:
        StillWritten: The file changes meanwhile.
        OSError: It cannot be read.
    """
    before = os.fstat(file.fileno())
    _let_the_clock_tick(before)
    file.seek(0)
    version = hashlib.file_digest(file, "sha256").hexdigest()
    if _stamp(os.fstat(file.fileno())) != _stamp(before):
        raise StillWritten("the file is still being written; run again when it is complete")
    return version, _stamp(before)


def _let_the_clock_tick(found: os.stat_result) -> None:
    """Wait until a further change would have another time than the last: milliseconds, for a file just written."""
    changed_ns = max(found.st_mtime_ns, found.st_ctime_ns)
    tick = _TICK_SECONDS if found.st_ctime_ns % _NANOSECONDS else _COARSE_TICK_SECONDS
    age = time.time() - changed_ns / _NANOSECONDS
    if -tick < age < tick:
        time.sleep(tick - max(age, 0.0))


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def _leads_to(name: Path, found: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(name.stat(), found)
    return False

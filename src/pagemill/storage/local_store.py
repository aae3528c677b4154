"""An object store in a local folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import IO

from pagemill.domain.pages.keys import folded
from pagemill.domain.wording import shown
from pagemill.errors import NO_ROOM, NameUnusable, NoRoomLeft, PreconditionFailed, StoreUnusable
from pagemill.ports import ABSENT, StoredObject
from pagemill.storage.folder import kind_problem, without_waiting

# Errors about one name: a file where a folder should be, a name that is not allowed, somebody else's folder.
_ABOUT_A_NAME = {
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.EILSEQ,
    errno.EINVAL,
    errno.ELOOP,
    errno.EACCES,
    errno.EPERM,
    errno.ENXIO,  # a socket
    errno.ENODEV,
}


class LocalStore:
    """Objects as files below a folder. An object's version is the SHA-256 of its bytes."""

    def __init__(self, root: Path) -> None:
        """Configure; the folder is created with the first object."""
        self.name = str(root)
        self._root = root
        self._folds: dict[str, bool] = {}  # which names the file system takes for equal; known after `check_writable`

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`."""
        folder, _, start = prefix.rpartition("/")
        for parent, _folders, files in os.walk(self._root / folder):
            below = Path(parent).relative_to(self._root).as_posix()
            for name in files:
                key = name if below == "." else f"{below}/{name}"
                if key.startswith(f"{folder}/{start}" if folder else start) and not name.startswith("."):
                    yield key

    def read(self, key: str) -> StoredObject | None:
        """Return the object, or None where there is none.

        Raises:
            NameUnusable: The file cannot be read.
        """
        try:
            with self._opened(key) as file:
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(key, "read", error) from error
        return StoredObject(data, _version(data))

    def version(self, key: str) -> str:
        """Return the file's SHA-256, `ABSENT` where there is none; needs the same memory for files of any size.

        Raises:
            NameUnusable: The file cannot be read.
        """
        try:
            with self._opened(key) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return ABSENT
        except OSError as error:
            raise self._unusable(key, "read", error) from error

    def sizes(self, folder: str, names: Collection[str]) -> Mapping[str, int]:
        """Return the size in bytes of files directly below a folder, by name; those that are not there are left out.

        Raises:
            NameUnusable: The folder cannot be read.
        """
        path = self._path(folder)
        found = {}
        for name in names:
            try:
                found[name] = (path / name).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise self._unusable(f"{folder}/{name}", "read", error) from error
        return found

    def write(self, key: str, body: bytes | IO[bytes], *, content_type: str, if_version: str | None = None) -> None:
        """Write an object whole: to a temporary file, which is synced to disk and then renamed.

        Raises:
            PreconditionFailed: The object is at another version.
            NameUnusable: There cannot be a file with this name.
            StoreUnusable: The disk is full, or fails.
        """
        del content_type  # files have none
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not tempfile's names, whose mode 0600 would hide results from others.
            temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
            try:
                _write_synced(temporary, body)
                self._publish(temporary, path, if_version)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(key, "written", error) from error

    def folded(self, key: str) -> str | None:
        """Return a form of a key that is equal for keys that the file system does not tell apart.

        None: it tells all keys apart, or `check_writable` was not called.
        """
        return folded(key, **self._folds) if any(self._folds.values()) else None

    def discard(self, key: str, *, if_version: str) -> None:
        """Remove a file whose bytes still have this SHA-256.

        Raises:
            NameUnusable: The folder cannot be written.
        """
        path = self._path(key)
        try:
            with _locked(path.parent):
                if self.version(key) == if_version:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(key, "removed", error) from error

    def check_writable(self) -> None:
        """Write and remove a probe, and learn from it which names the file system does not tell apart.

        Raises:
            StoreUnusable: The folder cannot be created or written.
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            name = f".Pagemill-{secrets.token_hex(8)}"
            case, ends = self._is_found_as(name, name.lower()), self._is_found_as(name, f"{name}.")
            accents = False
            with contextlib.suppress(OSError):  # such names are not allowed here
                accents = self._is_found_as(f"{name}-\u00e9", f"{name}-e\u0301")
            self._folds = {"case": case, "accents": accents, "ends": ends}
        except OSError as error:
            what = f"the destination {self.name} cannot be written: {error.strerror}"
            if error.errno in NO_ROOM:
                raise NoRoomLeft(f"{what}; free some space, or choose another folder") from error
            raise StoreUnusable(f"{what}; choose another folder, or change its owner") from error

    def _opened(self, key: str) -> BufferedReader:
        """Open a regular file for reading; a pipe would be waited for, and some devices never end."""
        path = self._path(key)
        file = open(path, "rb", opener=without_waiting)  # noqa: SIM115 -- the caller closes it
        if problem := kind_problem(os.fstat(file.fileno()).st_mode):
            file.close()
            raise NameUnusable(f"{shown(str(path))} is {problem}; remove it, or choose another destination")
        return file

    def _path(self, key: str) -> Path:
        path = self._root / key
        if key.startswith("/") or ".." in path.relative_to(self._root).parts:
            raise ValueError(f"key {key!r} leaves the store")  # keys.py makes no such key
        return path

    def _is_found_as(self, name: str, other: str) -> bool:
        """Whether a file that is written under one name is found under another."""
        path = self._path(name)
        try:
            path.write_bytes(b"probe")
            return self._path(other).exists()
        finally:
            path.unlink(missing_ok=True)

    def _unusable(self, key: str, done: str, error: OSError) -> StoreUnusable:
        path = self._path(key)
        below_root = [path, *(parent for parent in path.parents if parent.is_relative_to(self._root))]
        blocking = next(filter(_is_no_folder, below_root[1:-1]), None)
        if blocking:
            return NameUnusable(
                f"{shown(str(blocking))} is a file, and the folder of the results cannot be made there; "
                "rename it, or choose another destination"
            )
        what = f"{shown(str(path))} cannot be {done}: {error.strerror}"
        if error.errno in _ABOUT_A_NAME:
            return NameUnusable(f"{what}; see what lies there, or choose another destination")
        if error.errno in NO_ROOM:
            return NoRoomLeft(f"{what}; free some space, or choose another destination, then run again")
        return StoreUnusable(f"{what}; check the disk, or choose another destination")

    def _publish(self, temporary: Path, path: Path, if_version: str | None) -> None:
        if if_version is None:
            temporary.replace(path)
            return
        with _locked(path.parent):  # so that no other process writes between the comparison and the rename
            if if_version != self.version(path.relative_to(self._root).as_posix()):
                raise PreconditionFailed(f"{path} is not at the version the writer expected")
            temporary.replace(path)


def _is_no_folder(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return not stat.S_ISDIR(path.stat().st_mode)
    return False


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_synced(path: Path, body: bytes | IO[bytes]) -> None:
    with path.open("xb") as file:
        if isinstance(body, bytes):
            file.write(body)
        else:
            body.seek(0)
            shutil.copyfileobj(body, file)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""Object stores: a local folder, and memory."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO

from pagemill.errors import PreconditionFailed, StoreUnusable
from pagemill.ports import ABSENT, StoredObject


class LocalStore:
    """Objects as files below a folder. An object's version is the SHA-256 of its bytes."""

    def __init__(self, root: Path) -> None:
        """Configure; the folder is made with the first object."""
        self.name = str(root)
        self._root = root

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
            StoreUnusable: The file cannot be read.
        """
        try:
            data = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnusable(f"{self._path(key)} cannot be read: {error.strerror}") from error
        return StoredObject(data, _version(data))

    def version(self, key: str) -> str:
        """Return the file's SHA-256, `ABSENT` where there is none; a file of any length costs the same memory.

        Raises:
            StoreUnusable: The file cannot be read.
        """
        try:
            with self._path(key).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return ABSENT
        except OSError as error:
            raise StoreUnusable(f"{self._path(key)} cannot be read: {error.strerror}") from error

    def sizes(self, folder: str, names: Collection[str]) -> Mapping[str, int]:
        """Return the size in bytes of files directly below a folder, by name; those that are not there are left out.

        Raises:
            StoreUnusable: The folder cannot be read.
        """
        path = self._path(folder)
        found = {}
        for name in names:
            try:
                found[name] = (path / name).stat().st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreUnusable(f"{path / name} cannot be read: {error.strerror}") from error
        return found

    def write(self, key: str, body: bytes | IO[bytes], *, content_type: str, if_version: str | None = None) -> None:
        """Write an object whole: to a temporary file, to the disk, then under its name.

        Raises:
            PreconditionFailed: The object is at another version.
            StoreUnusable: The folder cannot be written, or the disk is full.
        """
        del content_type  # files have none
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = _write_temporary(path.parent, body)
            try:
                self._publish(temporary, path, if_version)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnusable(
                f"{path} cannot be written: {error.strerror}; free some space or choose another destination"
            ) from error

    def discard(self, key: str, *, if_version: str) -> None:
        """Remove a file whose bytes still have this SHA-256.

        Raises:
            StoreUnusable: The folder cannot be written.
        """
        path = self._path(key)
        try:
            with _locked(path.parent):
                if self.version(key) == if_version:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreUnusable(f"{path} cannot be removed: {error.strerror}; see who owns it") from error

    def check_writable(self) -> None:
        """Write and remove a probe.

        Raises:
            StoreUnusable: The folder cannot be made or written.
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            _write_temporary(self._root, b"probe").unlink()
        except OSError as error:
            raise StoreUnusable(
                f"the destination {self.name} cannot be written: {error.strerror}; choose another folder or its owner"
            ) from error

    def _path(self, key: str) -> Path:
        path = self._root / key
        if key.startswith("/") or ".." in path.relative_to(self._root).parts:
            raise ValueError(f"key {key!r} leaves the store")  # keys.py makes none of these
        return path

    def _publish(self, temporary: Path, path: Path, if_version: str | None) -> None:
        if if_version is None:
            temporary.replace(path)
            return
        with _locked(path.parent):  # so that nobody writes between the look and the rename
            if if_version != self.version(path.relative_to(self._root).as_posix()):
                raise PreconditionFailed(f"{path} is not at the version the writer expected")
            temporary.replace(path)


class MemoryStore:
    """Objects in a dictionary; for tests and for runs whose results somebody else keeps."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self._objects: dict[str, bytes] = {}
        self._guard = threading.Lock()

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`."""
        with self._guard:
            found = [key for key in self._objects if key.startswith(prefix)]
        yield from found

    def read(self, key: str) -> StoredObject | None:
        """Return the object, or None where there is none."""
        data = self._objects.get(key)
        return None if data is None else StoredObject(data, _version(data))

    def version(self, key: str) -> str:
        """Return the object's version, `ABSENT` where there is none."""
        data = self._objects.get(key)
        return ABSENT if data is None else _version(data)

    def sizes(self, folder: str, names: Collection[str]) -> Mapping[str, int]:
        """Return the size in bytes of objects directly below a folder, by name; those not there are left out."""
        found = {name: self._objects.get(f"{folder}/{name}") for name in names}
        return {name: len(data) for name, data in found.items() if data is not None}

    def write(self, key: str, body: bytes | IO[bytes], *, content_type: str, if_version: str | None = None) -> None:
        """Write an object whole.

        Raises:
            PreconditionFailed: The object is at another version.
        """
        del content_type
        if not isinstance(body, bytes):
            body.seek(0)
            body = body.read()
        with self._guard:
            if if_version not in {None, self.version(key)}:
                raise PreconditionFailed(f"{key} is not at the version the writer expected")
            self._objects[key] = body

    def discard(self, key: str, *, if_version: str) -> None:
        """Remove an object that is at this version."""
        with self._guard:
            if self.version(key) == if_version:
                self._objects.pop(key, None)

    def check_writable(self) -> None:
        """Memory can always be written."""


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_temporary(folder: Path, body: bytes | IO[bytes]) -> Path:
    path = folder / f".{secrets.token_hex(8)}.tmp"  # not tempfile's, whose mode 0600 would hide results from others
    with path.open("xb") as file:
        if isinstance(body, bytes):
            file.write(body)
        else:
            body.seek(0)
            shutil.copyfileobj(body, file)
        file.flush()
        os.fsync(file.fileno())
    return path


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

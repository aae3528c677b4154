"""An object store in memory, which holds to the contract of the real ones."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Iterator, Mapping
from typing import IO

from pagemill.errors import PreconditionFailed
from pagemill.ports import ABSENT, StoredObject


class MemoryStore:
    """Objects in a dictionary."""

    name = "memory"

    def __init__(self) -> None:
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
        return None if data is None else StoredObject(data, hashlib.sha256(data).hexdigest())

    def version(self, key: str) -> str:
        """Return the object's version, `ABSENT` where there is none."""
        data = self._objects.get(key)
        return ABSENT if data is None else hashlib.sha256(data).hexdigest()

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

    def folded(self, key: str) -> None:
        """None: dictionaries tell all keys apart."""

    def check_writable(self) -> None:
        """Memory can always be written."""

"""A PDF that is open. A worker gets it from its parent: it opens no document by name, and may open none."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import Buffer


class PdfFile:
    """An open file. Each reader of it has a position of its own, whoever else has the file open."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Own a descriptor.

        Args:
            path: What the parent calls the file; nothing is opened by it.
            descriptor: The open file. It is closed with this object.
        """
        self.path = path
        self.descriptor = descriptor

    @classmethod
    def opened(cls, path: Path) -> Self:
        """Open a file for reading.

        Raises:
            OSError: It cannot be opened.
        """
        return cls(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))

    @classmethod
    def created(cls, path: Path) -> Self:
        """Create a file that nobody else may read.

        Raises:
            OSError: It exists, or there is no room for it.
        """
        return cls(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes."""
        return os.fstat(self.descriptor).st_size

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def reader(self) -> io.BufferedReader:
        """A new reader at the beginning, to be closed apart from this object."""
        return io.BufferedReader(_Positioned(os.dup(self.descriptor)))

    def rewritten(self) -> io.BufferedWriter:
        """A writer that begins with an empty file, to be closed apart from this object."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self.descriptor), "wb")


class _Positioned(io.RawIOBase):
    """Reads at a position of its own: descriptors of one open file share theirs, also between processes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        data = os.pread(self._descriptor, len(view), self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        self._position = (os.fstat(self._descriptor).st_size if start is None else start) + offset
        return self._position

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()

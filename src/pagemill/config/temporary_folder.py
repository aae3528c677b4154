"""The temporary folder, which TMPDIR names. It may be small: in containers it is often memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

from pagemill.errors import NO_ROOM, NoRoomLeft

_LEAST_ROOM_BYTES = 2**16
_ADVICE = "free some space, or set TMPDIR to a folder with more, then run again"


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """Write temporary files: that there is no room for them is said in words. Other errors are left as they are.

    Raises:
        NoRoomLeft: The temporary folder is full, or there is none.
    """
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:  # the folders that Python tries are all full or not writable
        raise NoRoomLeft(f"no folder for temporary files can be written: {error.strerror}; {_ADVICE}") from error
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise NoRoomLeft(f"the temporary folder {folder} has no room left: {error.strerror}; {_ADVICE}") from error


def check_room() -> None:
    """Check that the temporary folder takes another file.

    Raises:
        NoRoomLeft: It is full, or there is none.
        OSError: It takes no file for another reason.
    """
    with temporary_files(), tempfile.TemporaryFile() as file:
        file.write(bytes(_LEAST_ROOM_BYTES))

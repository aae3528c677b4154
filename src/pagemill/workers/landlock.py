"""Landlock: the Linux kernel's rules by which a process gives up files for good (https://docs.kernel.org/userspace-api/landlock.html).

Three system calls, whose numbers are the same on every architecture. The constants are those of `linux/landlock.h`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1  # flag: tell the version of the interface
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_FIRST_ACCESSES = (1 << 13) - 1  # all of version 1
_LATER_ACCESSES = {2: 1 << 13, 3: _TRUNCATE, 5: 1 << 15, 9: 1 << 16}  # since which version; the last: Unix sockets
_TCP = 0b11  # bind and connect, since version 4
_TCP_SINCE = 4
_SCOPES = 0b11  # abstract Unix sockets and signals, since version 6
_SCOPES_SINCE = 6

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # what `_pack_` means; Python 3.19 wants it to be said
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of the kernel's interface.

    Raises:
        OSError: The kernel has no Landlock, or it is switched off.
    """
    return _call(_CREATE_RULESET, None, 0, _VERSION)


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Give up all files but some, TCP, and signals to and memory of other processes: this thread and its later ones.

    Files that are open stay open.

    Args:
        readable: Folders and files that may go on being read; those that do not exist are skipped.
        writable: Files that may also be written.

    Raises:
        OSError: The kernel has no Landlock, or refuses.
    """
    found = version()
    accesses = _FIRST_ACCESSES
    for since, access in _LATER_ACCESSES.items():
        accesses |= access if found >= since else 0
    wanted = _Ruleset(accesses, _TCP if found >= _TCP_SINCE else 0, _SCOPES if found >= _SCOPES_SINCE else 0)
    size = 8 * (1 + (found >= _TCP_SINCE) + (found >= _SCOPES_SINCE))
    ruleset = _call(_CREATE_RULESET, ctypes.byref(wanted), size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in writable:
            _allow(ruleset, path, (_READ_FILE | _WRITE_FILE | _TRUNCATE) & accesses)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, accesses: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = _Beneath(accesses if path.is_dir() else accesses & ~_READ_DIR, parent)
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(parent)


def _call(number: int, *arguments: object) -> int:
    longs = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *longs)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

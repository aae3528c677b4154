"""Contains a worker: what it gives up before it reads the first byte of a document, and what it says about that.

A document that takes a worker over then finds no network, no other program or process, and no file but the libraries
and fonts that everybody has and the documents that the parent hands over. Where a system lacks a means, the worker
works all the same, and `pagemill doctor` says so.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pagemill.domain.wording import counted

if sys.platform == "linux":
    from pagemill.workers import landlock, seccomp

# macOS counts hundreds of GiB before anything is loaded, and refuses every limit below that.
_HAS_ADDRESS_SPACE_LIMIT = sys.platform != "darwin"
_NO_ADDRESS_SPACE_LIMIT = "memory: this system has no limit of the address space"

_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h
_LIBRARIES = ("/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store", "/etc/ld.so.cache", "/etc/localtime")
_OF_THE_MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/dev/urandom", "/dev/zero")
_WRITABLE = (Path(os.devnull),)


@dataclass(frozen=True, slots=True)
class Containment:
    """What a worker may not do any more, and what could not be taken from it, in words."""

    denied: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def described(self) -> str:
        """One line for people."""
        has = f"workers have no {' and no '.join(self.denied)}" if self.denied else "nothing contains the workers"
        return f"{has}; not contained: {'; '.join(self.missing)}" if self.missing else has


def limit_resources(*, address_space_bytes: int, largest_file_bytes: int | None = None, niceness: int = 0) -> None:
    """Limit this process: no core dumps, little memory, a lower priority.

    A system without a limit of the address space, such as macOS, gets none.

    Args:
        address_space_bytes: Memory that it may map.
        largest_file_bytes: Where each file ends that it writes; None: anywhere.
        niceness: By how much its priority is lowered.

    Raises:
        SystemExit: A lower limit is in force.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if largest_file_bytes is not None:
        soft, hard = (
            largest_file_bytes if in_force == resource.RLIM_INFINITY else min(in_force, largest_file_bytes)
            for in_force in resource.getrlimit(resource.RLIMIT_FSIZE)
        )
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    if _HAS_ADDRESS_SPACE_LIMIT:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
        except ValueError as error:
            needed = f"a worker needs {address_space_bytes / 2**30:g} GiB of address space"
            raise SystemExit(f"{needed}, and this process may have less: see `ulimit -v`") from error
    os.nice(niceness)


def contain(readable: Sequence[Path] = ()) -> Containment:
    """Give up for good what a worker does not need. Call it before any thread is started.

    Args:
        readable: Folders that the worker needs beside Python's and the system's libraries and fonts.
    """
    memory = () if _HAS_ADDRESS_SPACE_LIMIT else (_NO_ADDRESS_SPACE_LIMIT,)
    if sys.platform != "linux":
        return Containment(missing=("network, programs, files: this system has neither seccomp nor Landlock", *memory))
    denied: list[str] = []
    missing: list[str] = []
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 -- the number is all
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    _drop_capabilities(libc)
    try:
        landlock.restrict([*_places(), *readable], _WRITABLE)
        denied.append(f"files but libraries and fonts (Landlock {landlock.version()})")
    except OSError as error:
        missing.append(f"files: Landlock is not available ({error.strerror})")
    try:
        seccomp.restrict()
        denied.append("network, programs or other processes (seccomp)")
    except OSError as error:
        missing.append(f"network, programs and other processes: seccomp is not available ({error.strerror})")
    if threads > 1:
        missing.append(f"{counted(threads - 1, 'thread')} that ran before")
    return Containment(tuple(denied), (*missing, *memory))


def _places() -> list[Path]:
    """What Python and native libraries may still load: encodings, modules, shared objects, fonts, time zones."""
    python = [entry for entry in sys.path if Path(entry).is_absolute()]
    return [Path(place) for place in (*python, sys.prefix, sys.base_prefix, *_LIBRARIES, *_OF_THE_MACHINE)]


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Keep none of root's powers, if this is root: containers often run as root."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)  # 0: this process
    nothing = (ctypes.c_uint32 * 6)()
    libc.capset(ctypes.byref(header), ctypes.byref(nothing))

"""seccomp: a filter of system calls that the Linux kernel applies for good (https://docs.kernel.org/userspace-api/seccomp_filter.html).

The filter names what is refused. A list of what is allowed would be shorter for an attacker, and would break with each
new version of a C library, an OCR engine or Python.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SET_SECCOMP, _FILTER = 22, 2

# Numbers of system calls on x86_64 and on aarch64; None: there is no such call. Linux never changes them.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # Network: no socket of any kind can be made; the one to the parent is there already.
    "socket": (41, 198),
    "socketpair": (53, 199),
    "io_uring_setup": (425, 425),  # makes sockets, too
    # Programs and processes. `clone` is for threads only, see below.
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "unshare": (272, 97),
    "setns": (308, 268),
    # Other processes: their memory, files and signals. `kill` and its like are for this process only, see below.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # Modes, owners, times and attributes of files, which Landlock does not guard.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "truncate": (76, 45),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    # What no worker needs, and exploits of the kernel like.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
ONLY_THIS_PROCESS = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}
PRLIMIT = ("prlimit64", (302, 261))
CLONE, CLONE3 = ("clone", (56, 220)), ("clone3", (435, 435))
_CLONE_THREAD = 0x10000

# Instructions of the filter (linux/filter.h), where it finds what (struct seccomp_data), and what it answers.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_X32 = 0x40000000  # x86_64's second set of numbers


@dataclass(frozen=True, slots=True)
class _Machine:
    index: int  # in the table above
    architecture: int  # AUDIT_ARCH_..., linux/audit.h


_MACHINES = {"x86_64": _Machine(0, 0xC000003E), "aarch64": _Machine(1, 0xC00000B7)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict() -> None:
    """Give up the network, other programs and other processes: this thread and its later ones.

    Raises:
        OSError: The kernel has no seccomp, or the table above lacks its machine.
    """
    machine = _MACHINES.get(os.uname().machine)
    if not machine or struct.calcsize("P") < struct.calcsize("Q"):
        raise OSError(errno.EOPNOTSUPP, f"pagemill has no filter for {os.uname().machine}")
    instructions = b"".join(_filter(machine))
    program = _Program(len(instructions) // 8, instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _filter(machine: _Machine) -> Iterator[bytes]:
    def refused_if(numbers: tuple[int | None, int | None], error: int, *but: bytes) -> Iterator[bytes]:
        """Refuse a call, unless the instructions in between skip the refusal."""
        number = numbers[machine.index]
        if number is not None:
            yield _instruction(_IF_EQUAL, number, 0, len(but) + (2 if but else 1))
            yield from but
            yield _instruction(_RETURN, _REFUSE | error)
            if but:
                yield _instruction(_RETURN, _ALLOW)

    def unless_first(test: int, value: int) -> tuple[bytes, bytes]:
        """Skip the refusal if the call's first argument passes a test."""
        return _instruction(_LOAD, _FIRST_ARGUMENT), _instruction(test, value, 1, 0)

    yield _instruction(_LOAD, _ARCHITECTURE)
    yield _instruction(_IF_EQUAL, machine.architecture, 1, 0)
    yield _instruction(_RETURN, _KILL)
    yield _instruction(_LOAD, _NUMBER)
    yield _instruction(_IF_AT_LEAST, _X32, 0, 1)
    yield _instruction(_RETURN, _KILL)
    for numbers in REFUSED.values():
        yield from refused_if(numbers, errno.EPERM)
    for numbers in ONLY_THIS_PROCESS.values():
        yield from refused_if(numbers, errno.EPERM, *unless_first(_IF_EQUAL, os.getpid()))
    yield from refused_if(PRLIMIT[1], errno.EPERM, *unless_first(_IF_EQUAL, 0))
    yield from refused_if(CLONE[1], errno.EPERM, *unless_first(_IF_ANY_BIT, _CLONE_THREAD))
    yield from refused_if(CLONE3[1], errno.ENOSYS)  # the C library then takes `clone`, whose flags can be read
    yield _instruction(_RETURN, _ALLOW)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)

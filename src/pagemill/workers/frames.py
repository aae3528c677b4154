"""What passes between a worker and its parent: frames of plain bytes, whose lengths are checked before they are read.

A frame has a kind, a head (JSON) and attachments (images). Open files travel beside a frame, to the worker only. A
worker that was taken over by a hostile document can send anything: nothing is unpickled, and nobody takes more bytes
than it expects.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pagemill.domain.wording import encodable

_PREFIX = struct.Struct(">BIH")  # kind, bytes of the head, number of attachments
_LENGTH = struct.Struct(">I")  # of an attachment
_MOST_FILES = 2  # a document and its repaired copy
LONGEST_MESSAGE = 20_000  # characters


class Malformed(ValueError):
    """The other end sent something that is no frame, or not the frame that was expected."""


class Kind(IntEnum):
    """What a frame says."""

    READY = 1  # a worker's first frame
    REQUEST = 2
    ANSWER = 3
    ERROR = 4  # the request failed


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: Kind
    head: bytes  # JSON
    attachments: Sequence[bytes] = ()
    files: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer, before it becomes a frame or after it has been one."""

    values: Mapping[str, Any]
    attachments: Sequence[bytes] = ()
    files: Sequence[int] = ()  # descriptors; the receiver gets its own


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest frame that is taken."""

    head_bytes: int
    attachments: int = 0
    attachment_bytes: int = 0  # of each


def head(values: Mapping[str, object]) -> bytes:
    """A head with these values. Texts in it are made `encodable` by those who have texts from outside."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def cut(text: str) -> str:
    """A message as it may cross: written as UTF-8, and not too long."""
    return encodable(text[:LONGEST_MESSAGE])[:LONGEST_MESSAGE]


def send(connection: socket.socket, frame: Frame, *, until: float | None = None) -> None:
    """Send a frame.

    Args:
        connection: A Unix socket.
        frame: What to send.
        until: When to give up, by `time.monotonic`; None: never.

    Raises:
        TimeoutError: The other end does not read.
        OSError: The other end is gone.
    """
    lengths = b"".join(_LENGTH.pack(len(attachment)) for attachment in frame.attachments)
    first = b"".join([_PREFIX.pack(frame.kind, len(frame.head), len(frame.attachments)), lengths, frame.head])
    _set_limit(connection, until)
    sent = socket.send_fds(connection, [first], frame.files) if frame.files else 0
    _send_all(connection, first[sent:], until)
    for attachment in frame.attachments:
        _send_all(connection, attachment, until)


def receive(connection: socket.socket, bounds: Bounds, *, until: float | None = None) -> Frame:
    """Receive a frame from a worker; files that come with it are refused by the system.

    Args:
        connection: A Unix socket.
        bounds: The largest frame that is taken.
        until: When to give up, by `time.monotonic`; None: never.

    Raises:
        EOFError: The other end is gone.
        Malformed: It sent no frame, or a larger one.
        TimeoutError: It took too long.
        OSError: The connection broke.
    """
    return _rest(connection, bytes(_exactly(connection, _PREFIX.size, until)), (), bounds, until)


def receive_with_files(connection: socket.socket, bounds: Bounds) -> Frame:
    """Receive a frame from the parent, with the files that come with it.

    Raises:
        EOFError: The parent is gone.
        OSError: The connection broke.
    """
    prefix, files, _, _ = socket.recv_fds(connection, _PREFIX.size, _MOST_FILES)
    if not prefix:
        raise EOFError
    prefix += bytes(_exactly(connection, _PREFIX.size - len(prefix), None))
    return _rest(connection, prefix, files, bounds, None)


def _rest(connection: socket.socket, prefix: bytes, files: Sequence[int], bounds: Bounds, until: float | None) -> Frame:
    kind, head_bytes, count = _PREFIX.unpack(prefix)
    if kind not in set(Kind):
        raise Malformed(f"a frame of kind {kind}")
    if head_bytes > bounds.head_bytes:
        raise Malformed(f"a head of {head_bytes:,} bytes; at most {bounds.head_bytes:,} are taken")
    if count > bounds.attachments:
        raise Malformed(f"{count} attachments; at most {bounds.attachments} are taken")
    lengths = [length for (length,) in _LENGTH.iter_unpack(_exactly(connection, _LENGTH.size * count, until))]
    if lengths and max(lengths) > bounds.attachment_bytes:
        raise Malformed(f"an attachment of {max(lengths):,} bytes; at most {bounds.attachment_bytes:,} are taken")
    found = bytes(_exactly(connection, head_bytes, until))
    attachments = tuple(bytes(_exactly(connection, length, until)) for length in lengths)
    return Frame(Kind(kind), found, attachments, files)


def _send_all(connection: socket.socket, data: bytes, until: float | None) -> None:
    _set_limit(connection, until)
    connection.sendall(data)


def _exactly(connection: socket.socket, size: int, until: float | None) -> bytearray:
    received = bytearray(size)
    rest = memoryview(received)
    while rest:
        _set_limit(connection, until)
        count = connection.recv_into(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return received


def _set_limit(connection: socket.socket, until: float | None) -> None:
    if until is None:
        connection.settimeout(None)
        return
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)

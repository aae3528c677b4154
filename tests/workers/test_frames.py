"""Frames of a worker that was taken over: whatever it sends is refused, and takes no more memory than an answer."""

from __future__ import annotations

import json
import os
import pickle
import socket
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from pagemill.workers import frames
from pagemill.workers.frames import Bounds, Frame, Kind, Malformed
from pagemill.workers.parsing import parse_containment, parse_error

_BOUNDS = Bounds(head_bytes=1000, attachments=2, attachment_bytes=5000)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The parent's end and the worker's."""
    ours, workers = socket.socketpair()
    with ours, workers:
        yield ours, workers


Pair = tuple[socket.socket, socket.socket]


def test_a_frame_arrives_as_it_was_sent(pair: Pair) -> None:
    sent = Frame(Kind.ANSWER, frames.head({"text": "ä€😀"}), (b"", b"\x00" * 5000))
    frames.send(pair[1], sent)

    assert frames.receive(pair[0], _BOUNDS) == sent


def test_files_go_to_the_worker_beside_a_frame(pair: Pair) -> None:
    reading, writing = os.pipe()
    frames.send(pair[0], Frame(Kind.REQUEST, b"{}", files=[writing]))
    os.close(writing)

    (received,) = frames.receive_with_files(pair[1], _BOUNDS).files

    os.write(received, b"the same pipe")
    os.close(received)
    assert os.read(reading, 100) == b"the same pipe"
    os.close(reading)


def _frame(kind: int = Kind.ANSWER, head: int = 2, lengths: tuple[int, ...] = ()) -> bytes:
    sizes = b"".join(length.to_bytes(4, "big") for length in lengths)
    return kind.to_bytes(1, "big") + head.to_bytes(4, "big") + len(lengths).to_bytes(2, "big") + sizes


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pickle.dumps((True, "an answer of before")), "a frame of kind 128"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "a frame of kind 72"),
        (bytes(100), "a frame of kind 0"),
        (b"\xff" * 100, "a frame of kind 255"),
        (_frame(head=1001), "a head of 1,001 bytes; at most 1,000"),
        (_frame(head=2**32 - 1), "a head of 4,294,967,295 bytes"),
        (_frame(lengths=(1, 1, 1)), "3 attachments; at most 2"),
        (_frame()[:-2] + b"\xff\xff", "65535 attachments"),
        (_frame(lengths=(1, 5001)), "an attachment of 5,001 bytes; at most 5,000"),
        (_frame(lengths=(2**32 - 1, 1)), "an attachment of 4,294,967,295 bytes"),
    ],
)
def test_what_is_no_frame_or_too_large_is_refused_before_it_is_read(pair: Pair, data: bytes, says: str) -> None:
    pair[1].sendall(data)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match=says):
            frames.receive(pair[0], _BOUNDS)
        assert tracemalloc.get_traced_memory()[1] < 2**18
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("part", [b"", _frame()[:3], _frame(lengths=(9,))[:-1], _frame(head=9) + b'{"a"'])
def test_a_worker_that_stops_in_the_middle_of_a_frame_is_not_waited_for(pair: Pair, part: bytes) -> None:
    pair[1].sendall(part)

    with pytest.raises(TimeoutError):
        frames.receive(pair[0], _BOUNDS, until=time.monotonic() + 0.05)


@pytest.mark.parametrize("part", [b"", _frame()[:3], _frame(lengths=(9,)) + b"{}1234"])
def test_a_worker_that_ends_in_the_middle_of_a_frame_is_lost(pair: Pair, part: bytes) -> None:
    pair[1].sendall(part)
    pair[1].close()

    with pytest.raises(EOFError):
        frames.receive(pair[0], _BOUNDS)


def test_a_worker_that_reads_nothing_is_not_waited_for(pair: Pair) -> None:
    request = Frame(Kind.REQUEST, b"{}", (bytes(2**24),))

    with pytest.raises(TimeoutError):
        frames.send(pair[0], request, until=time.monotonic() + 0.05)


def test_files_that_a_worker_sends_are_not_taken(pair: Pair) -> None:
    before = set(os.listdir("/dev/fd"))  # noqa: PTH208 -- the names are all
    with socket.socket() as unwanted:
        frames.send(pair[1], Frame(Kind.ANSWER, b"{}", files=[unwanted.fileno()] * 2))

    assert frames.receive(pair[0], _BOUNDS).files == ()
    assert set(os.listdir("/dev/fd")) == before  # noqa: PTH208 -- as above


def _error(**values: object) -> bytes:
    return json.dumps({"kind": "PageUnreadable", "message": "torn", **values}).encode()


def test_an_error_crosses_with_its_kind_and_its_message() -> None:
    error = parse_error(_error())

    assert (type(error).__name__, str(error)) == ("PageUnreadable", "torn")


@pytest.mark.parametrize(
    "head",
    [
        _error(kind="OutOfResources"),  # it would end the run
        _error(kind="UsageError"),
        _error(kind="KeyboardInterrupt"),
        _error(kind="os.system"),
        _error(kind=["PageUnreadable"]),
        _error(message="x" * (frames.LONGEST_MESSAGE + 1)),
        _error(message=7),
        _error(more=1),
        b"{}",
        b"[]",
        b"null",
        b'"PageUnreadable"',
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"kind": "PageUnreadable", "message": "\\ud800"}',
    ],
    ids=lambda head: head[:60].decode("ascii", "replace"),
)
def test_what_is_no_error_of_a_handler_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_error(head)


@pytest.mark.parametrize("head", [b"{}", b'{"denied": "all", "missing": []}', b'{"denied": [1], "missing": []}'])
def test_what_no_worker_of_ours_says_when_it_is_ready_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_containment(head)

"""The worker's side: limits of its own, then one answer for each request, until the parent is gone."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pagemill.errors import DocumentUnreadable, PageUnreadable, RequestRejected, kind_of
from pagemill.workers import frames
from pagemill.workers.containment import Containment
from pagemill.workers.frames import Bounds, Frame, Kind, Message

_REQUESTS = Bounds(head_bytes=2**20, attachments=1, attachment_bytes=2**30)  # they come from the parent
_STANDARD_ERROR = 2
_CROSSING = (DocumentUnreadable, PageUnreadable, RequestRejected)


def answer_requests(handle: Callable[[Message], Message], containment: Containment) -> None:
    """Answer requests with what `handle` returns or raises, until the parent is gone.

    From here on the worker is silent: its standard error may be a terminal, which is no place for what strangers made.

    Args:
        handle: Answers one request. Its files are closed when it is answered.
        containment: What this process may not do.
    """
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _be_silent()
    with socket.socket(fileno=int(sys.argv[1])) as parent, contextlib.suppress(EOFError, OSError):  # it is gone
        frames.send(parent, Frame(Kind.READY, frames.head(asdict(containment))))
        while True:
            request = frames.receive_with_files(parent, _REQUESTS)
            try:
                frames.send(parent, _answer(handle, request))
            finally:
                for file in request.files:
                    os.close(file)


def _answer(handle: Callable[[Message], Message], request: Frame) -> Frame:
    try:
        answer = handle(Message(json.loads(request.head), request.attachments, request.files))
    except Exception as error:  # noqa: BLE001 -- it is raised again on the parent's side
        return Frame(Kind.ERROR, frames.head(_described(error)))
    return Frame(Kind.ANSWER, frames.head(answer.values), answer.attachments)


def _described(error: Exception) -> dict[str, str]:
    if isinstance(error, _CROSSING):
        return {"kind": kind_of(error), "message": frames.cut(str(error))}
    if isinstance(error, MemoryError):
        return {"kind": "MemoryError", "message": ""}
    return {"kind": "WorkerFault", "message": frames.cut(f"{type(error).__name__}: {error}")}


def _be_silent() -> None:
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), _STANDARD_ERROR)


def _exit_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)

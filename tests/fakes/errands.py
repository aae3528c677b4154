"""Asks `errand_worker`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pagemill.workers.frames import Bounds, Message
from pagemill.workers.process import Expected, WorkerProcess

SMALL = Bounds(head_bytes=2**20)


def found(head: bytes, _: Sequence[bytes]) -> Any:
    """What an errand has found."""
    return json.loads(head)["found"]


def ask(worker: WorkerProcess, what: str, argument: object = None, *, timeout_seconds: float = 30) -> Any:
    """Have a worker do an errand."""
    expected = Expected(SMALL, found)
    return worker.call(Message({"what": what, "argument": argument}), expected, timeout_seconds=timeout_seconds)

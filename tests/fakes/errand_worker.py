"""A worker that does small tasks, and fails in every way in which a worker can fail."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

from pagemill.errors import PageUnreadable
from pagemill.worker_process import answer_requests, confine


def errand(request: tuple[str, Any]) -> Any:
    """Do the task that the first element names."""
    what, argument = request
    match what:
        case "double":
            return 2 * argument
        case "refuse":
            raise PageUnreadable(argument)
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(argument)
        case "hang":
            signal.pause()
        case "allocate":
            return len(bytearray(argument))
        case "modules":
            return sorted(sys.modules)
    return None


if __name__ == "__main__":
    confine(address_space_bytes=int(sys.argv[2]))
    answer_requests(errand)

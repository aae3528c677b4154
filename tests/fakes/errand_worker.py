"""A worker that does small tasks, and fails in every way in which a worker can fail.

`python -m tests.fakes.errand_worker FD MEMORY_BYTES [contained]`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from pagemill.errors import OutOfResources, PageUnreadable
from pagemill.workers.containment import Containment, contain, limit_resources
from pagemill.workers.frames import Message
from pagemill.workers.serving import answer_requests


def errand(what: str, argument: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 -- one line for each errand
    """Do the task that the first argument names."""
    match what:
        case "double":
            return 2 * argument
        case "refuse":
            raise PageUnreadable(argument)
        case "end the run":
            raise OutOfResources(argument)
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "exit":
            os._exit(argument)
        case "hang":
            signal.pause()
        case "allocate":
            return len(bytearray(argument))
        case "modules":
            return sorted(sys.modules)
        case "environment":
            return dict(os.environ)
        case "print":
            return os.write(2, argument.encode())
        case "read":
            return Path(argument).read_bytes().hex()
        case "write":
            return Path(argument).write_text("taken over")
        case "remove":
            return Path(argument).unlink()
        case "chmod":
            return Path(argument).chmod(0o777)
        case "connect":
            return socket.create_connection(("127.0.0.1", argument)).fileno()
        case "send":
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"secret", ("127.0.0.1", argument))
        case "connect to a socket file":
            socket.socket(socket.AF_UNIX).connect(argument)
        case "run":
            os.execv(argument, [argument])  # noqa: S606 -- it is refused
        case "fork":
            return os.fork() or os._exit(0)
        case "kill":
            os.kill(argument, signal.SIGTERM)
    return None


def handle(request: Message) -> Message:
    """Do an errand, and say what was found."""
    return Message({"found": errand(request.values["what"], request.values["argument"])})


if __name__ == "__main__":
    limit_resources(address_space_bytes=int(sys.argv[2]))
    answer_requests(handle, contain() if "contained" in sys.argv else Containment())

"""Ports on loopback for servers that are started by their port."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a free port for one server: a server that sets SO_REUSEADDR may listen there, and nobody else gets it.

    The port is bound, but nobody listens: connections are refused while the server is not running.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        yield port

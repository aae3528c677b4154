"""The program of a private Prefect server: it prints its URL, and serves until its standard input ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import threading
from collections.abc import Iterator

import uvicorn
from prefect.settings import get_current_settings

from pagemill.orchestration.server.migrated import migrated_once

_STOP_SECONDS = 5
_LOCK = "pagemill-server.lock"  # in Prefect's folder


class _Server(uvicorn.Server):
    """Prints its URL once it answers, and stops when standard input ends."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, database migrations included."""
        threading.Thread(target=self._stop_with_parent, daemon=True).start()
        with _one_at_a_time(), migrated_once():
            await super().startup(sockets)
        if self.started and sockets:
            sys.stdout.write(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/api\n")
            sys.stdout.flush()

    def _stop_with_parent(self) -> None:
        while os.read(0, 4096):
            pass
        if not self.started:  # it may wait for other servers, or they for it
            os._exit(1)
        self.should_exit = True


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait until no other server starts on the same database; blocks.

    Two that create its tables at once fail. The lock is gone when its holder ends, however that happens.
    """
    with (get_current_settings().home / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Serve Prefect's API until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        lifespan="on",
        log_level="error",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    _Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()

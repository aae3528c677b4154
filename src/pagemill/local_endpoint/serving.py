"""Runs the service: its socket, workers, signals and lifeline."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import typer
import uvicorn
from starlette.applications import Starlette

from pagemill.config.processors import processors
from pagemill.errors import PagemillError, UsageError
from pagemill.local_endpoint.engines import choose_engine, model_id
from pagemill.local_endpoint.server import MOST_REQUESTS, create_app
from pagemill.local_endpoint.worker_pool import WorkerPool

_HIGHEST_PORT = 65_535


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    engine: str = "auto",
    workers: int | None = None,
    tessdata: Path | None = None,
    model: str | None = None,
    lifeline: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM; print the URL as one line once connections are accepted.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        engine: See `choose_engine`.
        workers: How many pages are read at a time; a worker for each core if None.
        tessdata: The folder with Tesseract's language data, if it is not in a usual place.
        model: The model name to answer to; None: the engine's, with its version.
        lifeline: Whether to stop when standard input ends.

    Raises:
        UsageError: The engine is not installed, or the address cannot be listened on.
        WorkerLost: A worker ended before it had loaded its models.
        KeyboardInterrupt: After SIGINT; everything has been stopped. SIGTERM ends the process instead.
    """
    name = choose_engine(engine, tessdata=tessdata)
    served = model or model_id(name, tessdata=tessdata)
    count = workers or min(processors(), MOST_REQUESTS)
    with _listening(host, port) as listener, WorkerPool(name, workers=count, tessdata=tessdata) as pool:
        server = _Server(create_app(pool, model=served), pool)
        if lifeline:
            threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
        typer.echo(_url(listener))
        server.run(sockets=[listener])
        if server.failure:
            raise server.failure


class _Server(uvicorn.Server):
    """Stops its workers before it waits for the answers that depend on them."""

    def __init__(self, app: Starlette, pool: WorkerPool) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=5,
            )
        )
        self.failure: PagemillError | None = None
        self._pool = pool
        pool.on_failure_to_load(self._fail)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the workers, then close the connections; idle ones at once."""
        self._pool.close()
        await super().shutdown(sockets)

    def _fail(self, reason: BaseException) -> None:
        if not self.should_exit:
            self.failure = (
                reason if isinstance(reason, PagemillError) else UsageError(f"the OCR engine does not load: {reason}")
            )
            self.should_exit = True


def _listening(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _HIGHEST_PORT:
        raise UsageError(f"port {port} does not exist; choose one from 1 to {_HIGHEST_PORT}, or 0 for a free one")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=128)
    except UnicodeError as error:  # a part of the name that is too long, or empty
        raise UsageError(f"cannot listen on {host}, port {port}: that is no name of a host") from error
    except OSError as error:
        # `create_server` repeats the address in strerror; getaddrinfo has error numbers of its own.
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise UsageError(f"cannot listen on {host}, port {port}: {reason}") from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        pass
    server.should_exit = True

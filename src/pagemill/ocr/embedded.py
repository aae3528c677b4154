"""Starts the embedded OCR service for one run, restarts it if it ends, and stops it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from pathlib import Path
from types import TracebackType
from typing import Self

from pagemill.config.environment import worker_environment
from pagemill.errors import EndpointNeverAnswered

_STOP_SECONDS = 10.0


class EmbeddedEndpoint:
    """A service process on a free loopback port; it starts with the first page that needs it."""

    def __init__(self, *, engine: str, start_seconds: float, tessdata: Path | None = None) -> None:
        """Configure; nothing is started yet.

        Args:
            engine: `rapidocr` or `tesseract`.
            start_seconds: How long the process may take until it listens.
            tessdata: The folder with Tesseract's language data, if it is not in a usual place.
        """
        self._engine = engine
        self._start_seconds = start_seconds
        self._tessdata = ["--tessdata", str(tessdata)] if tessdata else []
        self._process: Process | None = None
        self._url = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        if self._process.stdin:
            self._process.stdin.close()  # the lifeline: the service stops its workers and ends
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def locate(self) -> str:
        """Return the service's URL; start the service if it is not running.

        Raises:
            EndpointNeverAnswered: It ends, or does not listen in time.
        """
        if self._process and self._process.returncode is None:
            return self._url
        command = [sys.executable, "-P", "-m", "pagemill.local_endpoint", "--port", "0", "--engine", self._engine]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            *self._tessdata,
            "--lifeline",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=worker_environment(),
            process_group=0,  # Ctrl-C is for this process: pages in flight end before the service does
        )
        assert self._process.stdout  # noqa: S101 -- for mypy: it is a pipe
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), self._start_seconds)
        except TimeoutError:
            line = b""
        if not line:
            raise EndpointNeverAnswered("the embedded OCR service did not start; see why with: pagemill endpoint")
        self._url = line.decode().strip()
        return self._url

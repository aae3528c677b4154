"""`pagemill run` without Prefect: the batch runs in this process, without a server and without importing Prefect."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pagemill.cli.console import messages
from pagemill.cli.display import live_display
from pagemill.config.run import read_settings
from pagemill.domain.pages.summary import RunSummary
from pagemill.wiring.batch import new_run_id, open_batch
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.watching import RunWatch, watching


class DirectRun:
    """One run in this process. Its slots are its own: no other run counts them."""

    def __init__(self, parameters: OcrBatchParameters, watch: RunWatch) -> None:
        """Configure; nothing is started yet."""
        self._parameters = parameters
        self._watch = watch

    def stop(self, _: asyncio.Task[Any]) -> None:
        """End the run in order."""
        self._watch.interrupt()

    async def to_its_end(self) -> RunSummary:
        """Run the batch.

        Raises:
            CancelledError: The run was interrupted before its pages were read.
            PagemillError: The run ended before it could read pages.
        """
        logging.getLogger().addHandler(logging.NullHandler())  # else Python prints warnings into the display
        with watching(self._watch):
            async with (
                live_display(self._watch.progress, messages()),
                self._watch.interruptible(),
                open_batch(self._parameters, read_settings()) as batch,
            ):
                self._watch.conclude(await batch.run(new_run_id()))
        if self._watch.summary is None:
            raise asyncio.CancelledError
        return self._watch.summary

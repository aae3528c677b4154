"""The flow run behind `pagemill run`: started, followed, interrupted, and concluded even without its Prefect server."""

from __future__ import annotations

import asyncio
from typing import Any

from pagemill.cli.console import messages
from pagemill.cli.leaving import do_not_wait
from pagemill.domain.pages.summary import RunSummary
from pagemill.flows.ocr_batch import ocr_batch
from pagemill.orchestration.server.private import prefect_api
from pagemill.orchestration.server.process import has_ended
from pagemill.orchestration.server.shared import require_server, server_errors_named
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.watching import RunWatch

_CONCLUDING_SECONDS = 120.0  # for the report and the final state; Prefect's client tries each for about a minute
_POLL_SECONDS = 0.5


class FlowRun:
    """One run of the flow `ocr-batch` in this process."""

    def __init__(self, parameters: OcrBatchParameters, watch: RunWatch) -> None:
        """Configure; nothing is started yet."""
        self._parameters = parameters
        self._watch = watch
        self._begun = False

    def stop(self, task: asyncio.Task[Any]) -> None:
        """End the run in order. A flow that has begun gets the state Cancelled in Prefect."""
        if self._begun:
            self._watch.interrupt()
        else:
            task.cancel()

    async def to_its_end(self, url: str = "") -> RunSummary:
        """Run the flow.

        Args:
            url: Of the private server that has been started for it; empty: on the configured one.

        Raises:
            CancelledError: The run was interrupted.
            UsageError: The Prefect server does not answer.
            PagemillError: The run ended before it could read pages.
        """
        if self._parameters.shards > 1:
            await require_server()  # a private server has no workers
        async with prefect_api(url):
            self._begun = True
            flow = asyncio.create_task(self._flow())
            await self._until_concluded(flow)
            outcome = await self._outcome(flow)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _flow(self) -> Any:
        return await ocr_batch(self._parameters, return_state=True)

    async def _until_concluded(self, flow: asyncio.Task[Any]) -> None:
        """Wait for the flow. Once its pages are read, give the Prefect server a bounded time to note it."""
        read = asyncio.create_task(self._watch.read.wait())
        await asyncio.wait([flow, read], return_when=asyncio.FIRST_COMPLETED)
        read.cancel()
        deadline = asyncio.get_running_loop().time() + _CONCLUDING_SECONDS
        while not flow.done() and not has_ended() and asyncio.get_running_loop().time() < deadline:
            await asyncio.wait([flow], timeout=_POLL_SECONDS)

    async def _outcome(self, flow: asyncio.Task[Any]) -> RunSummary | Exception:
        """The summary. What Prefect thinks of the run, or whether it answers, counts only where there is none."""
        try:
            with server_errors_named():
                state = flow.result() if flow.done() else None
        except Exception:
            state = None
            if not self._watch.summary:
                raise
        if state is None:
            do_not_wait()
            messages().print("the Prefect server does not answer any more: it does not know how this run ended")
        if self._watch.summary:
            return self._watch.summary
        if self._watch.interrupted:
            raise asyncio.CancelledError
        assert state  # noqa: S101 -- for mypy: a flow without a summary was waited for
        outcome: RunSummary | Exception = await state.aresult(raise_on_failure=False)
        return outcome

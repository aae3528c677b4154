"""The flow runs of shards. Prefect starts them on its workers; a shard that crashes is started once more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from pagemill.batch.run import Batch
from pagemill.batch.shards import ShardReport, report_of
from pagemill.domain.wording import counted, said
from pagemill.errors import ShardLost, UsageError
from pagemill.orchestration.shards.counters import ShardCounters, read_counters
from pagemill.wiring.parameters import OcrBatchParameters

_MOST_ATTEMPTS = 2  # of a shard that crashes
_POLL_SECONDS = 2.0
_UNANSWERED_SECONDS = 1800.0  # the run ends after this time without an answer from the Prefect server

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Shard:
    """One shard, with all its attempts."""

    number: int  # from 1
    attempt: int = 1
    flow_run: UUID | None = None  # None: to be started
    started: bool = False
    counters: ShardCounters = field(default_factory=ShardCounters)
    report: ShardReport | None = None
    lost: str = ""  # why there will be no report; empty: it is not lost

    @property
    def ended(self) -> bool:
        return bool(self.report or self.lost)


class ShardRuns:
    """Starts a deployment once for each shard, as subflows of the current flow run, and waits for all of them."""

    def __init__(
        self,
        client: PrefectClient,
        *,
        deployment: str,
        parameters: OcrBatchParameters,
        run_id: str,
        shards: int,
        batch: Batch,
    ) -> None:
        """Configure. Nothing is started yet.

        Args:
            client: Of the Prefect server.
            deployment: Of the flow that reads a shard: `FLOW/DEPLOYMENT`.
            parameters: Of the whole run, valid on every worker's machine.
            run_id: Of the whole run.
            shards: How many. Their plans must be at the destination before `run_to_completion`.
            batch: The batch that planned the run. Its progress follows that of the shards.
        """
        self._client = client
        self._deployment = deployment
        self._parameters = parameters
        self._run_id = run_id
        self._shards = [_Shard(number) for number in range(1, shards + 1)]
        self._destination = batch.publisher.destination
        self._lookups = batch.threads.lookups
        self._progress = batch.progress
        self._initial_statuses = Counter(batch.progress.statuses)
        self._initial_suspects = batch.progress.suspects
        self._unreported_requests = 0  # of flow runs without a report
        self._unanswered_since: float | None = None  # by the Prefect server

    @property
    def reports(self) -> Sequence[ShardReport | None]:
        """The report of each shard; None for a lost one."""
        return [shard.report for shard in self._shards]

    @property
    def unreported_requests(self) -> int:
        """Requests of flow runs without a report, up to the last counters that they wrote."""
        return self._unreported_requests

    @property
    def lost(self) -> ShardLost | None:
        """The error that names the lost shards and the reasons; None if there are none."""
        lost = [f"shard {shard.number} {shard.lost}" for shard in self._shards if shard.lost]
        if not lost:
            return None
        return ShardLost(f"{'; '.join(lost)}; finished pages are kept; run again to read the others")

    async def run_to_completion(self) -> None:
        """Start all shards, and wait until each has reported or is lost. A cancellation cancels them as well.

        Raises:
            UsageError: The deployment does not exist, or the Prefect server has not answered for half an hour.
        """
        try:
            while left := [shard for shard in self._shards if not shard.ended]:
                await self._poll(left)
                await asyncio.sleep(_POLL_SECONDS)
        except BaseException:
            await asyncio.shield(self._cancel())
            raise

    async def _start(self, shard: _Shard) -> None:
        """Start a shard. The idempotency key makes a repeated request safe: the server starts one flow run."""
        try:
            flow_run = await arun_deployment(
                self._deployment,
                client=self._client,
                parameters={"parameters": self._of(shard), "run_id": self._run_id, "shard": shard.number},
                timeout=0,
                as_subflow=True,
                idempotency_key=f"{self._run_id}/{shard.number}/{shard.attempt}",
            )
        except ObjectNotFound as error:
            raise UsageError(
                f"the Prefect server has no deployment '{self._deployment}', which reads shards; create it: "
                "prefect --no-prompt deploy --all"
            ) from error
        shard.flow_run, shard.started = flow_run.id, False

    def _of(self, shard: _Shard) -> dict[str, Any]:
        return self._parameters.of_shard(shard.number, len(self._shards)).model_dump(mode="json")

    async def _poll(self, shards: Sequence[_Shard]) -> None:
        """Read the states of all shards with one request, and start those that are not started."""
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[shard.flow_run for shard in shards if shard.flow_run]))
        try:
            found = {run.id: run for run in await self._client.read_flow_runs(flow_run_filter=wanted)}
            for shard in shards:
                if shard.flow_run is None:
                    await self._start(shard)
                else:
                    await self._update(shard, found.get(shard.flow_run))
        except httpx.HTTPError as error:
            self._unanswered_since = self._unanswered_since or time.monotonic()
            if time.monotonic() - self._unanswered_since > _UNANSWERED_SECONDS:
                message = f"the Prefect server does not answer: {said(error)}; check that it runs, then run again"
                raise UsageError(message) from error
            self._progress.announce(f"waiting for the Prefect server: {said(error)}")
            return
        self._unanswered_since = None
        self._update_progress()

    async def _update(self, shard: _Shard, run: FlowRun | None) -> None:
        if run is None or run.state is None:
            shard.lost = "was deleted"
            return
        shard.counters, shard.started = read_counters(run), run.start_time is not None
        if not run.state.is_final():
            return
        try:
            shard.report = await self._lookups(report_of, self._destination, self._run_id, shard.number)
        except ValueError as error:
            shard.lost = f"left a damaged report: {error}"
        if shard.ended:
            return
        self._unreported_requests += shard.counters.requests
        shard.counters = replace(shard.counters, requests=0)  # counted above
        if run.state.is_crashed() and shard.attempt < _MOST_ATTEMPTS:
            _log.warning("shard %d crashed and is started again: %s", shard.number, run.state.message)
            shard.attempt += 1
            shard.flow_run, shard.started = None, False  # the next poll starts it, as soon as the server answers
        else:
            how = "crashed twice" if run.state.is_crashed() else f"ended as {run.state.name}"
            shard.lost = f"({run.name}) {how}: {run.state.message}"

    def _update_progress(self) -> None:
        """Set the progress of the run to the sum over its shards."""
        progress = self._progress
        progress.statuses = self._initial_statuses + sum((shard.counters.statuses for shard in self._shards), Counter())
        progress.suspects = self._initial_suspects + sum(shard.counters.suspects for shard in self._shards)
        progress.requests = self._unreported_requests + sum(shard.counters.requests for shard in self._shards)
        progress.in_flight = sum(shard.counters.in_flight for shard in self._shards if not shard.ended)
        waiting = [shard.number for shard in self._shards if not shard.started]
        ended = sum(shard.ended for shard in self._shards)
        if waiting:
            progress.announce(f"{len(waiting)} of {counted(len(self._shards), 'shard')} waiting for a worker")
        else:
            progress.announce(f"reading, {ended} of {counted(len(self._shards), 'shard')} done")

    async def _cancel(self) -> None:
        """Cancel the shards. Prefect does this as well when the run is cancelled there, but later."""
        for shard in self._shards:
            if shard.flow_run and not shard.ended:
                with contextlib.suppress(httpx.HTTPError):  # then the shard goes on, and nothing is lost
                    await self._client.set_flow_run_state(shard.flow_run, Cancelling(message="the run was stopped"))

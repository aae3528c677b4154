"""The runs of a run's shards: Prefect starts them, wherever its workers are; a shard that crashes gets a second one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from pagemill.domain.wording import counted
from pagemill.errors import ShardLost, UsageError
from pagemill.orchestration.parameters import OcrBatchParameters
from pagemill.orchestration.shards.counters import ShardCounters, read_counters

_MOST_ATTEMPTS = 2  # of a shard that crashes
_LOOK_SECONDS = 2.0
_UNANSWERED_SECONDS = 1800.0  # of a Prefect server that is away, until the run ends

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Shard:
    """One shard, over its attempts."""

    number: int  # from 1
    attempt: int = 1
    flow_run: UUID | None = None
    begun: bool = False
    figures: ShardCounters = field(default_factory=ShardCounters)
    report: ShardReport | None = None
    lost: str = ""  # why there will be no report

    @property
    def over(self) -> bool:
        return bool(self.report or self.lost)


class ShardRuns:
    """Runs of the deployment for shards, as subflows of the flow run that this is called in."""

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
        """Configure; nothing is started yet.

        Args:
            client: The Prefect server's.
            deployment: Of the shards' flow: `FLOW/DEPLOYMENT`.
            parameters: Of the whole run, as they mean the same wherever a worker is.
            run_id: Names the whole run.
            shards: How many; their plans have to be at the destination before they are started.
            batch: What planned the run; its progress follows that of the shards.
        """
        self._client = client
        self._deployment = deployment
        self._parameters = parameters.model_dump(mode="json")
        self._run_id = run_id
        self._shards = [_Shard(number) for number in range(1, shards + 1)]
        self._destination = batch.publisher.destination
        self._progress = batch.progress
        self._before = Counter(batch.progress.statuses)
        self._spent = 0  # requests of runs that crashed
        self._silent_since: float | None = None  # the Prefect server

    @property
    def reports(self) -> Sequence[ShardReport | None]:
        """What became of each shard; None of one that was lost."""
        return [shard.report for shard in self._shards]

    @property
    def unreported_requests(self) -> int:
        """What shards sent that no report tells of, as far as they had noted it."""
        return self._spent

    @property
    def lost(self) -> ShardLost | None:
        """Which shards were lost, and why."""
        lost = [f"shard {shard.number} {shard.lost}" for shard in self._shards if shard.lost]
        if not lost:
            return None
        return ShardLost(f"{'; '.join(lost)}; finished pages are kept, run again to go on")

    async def run_to_completion(self) -> None:
        """Start all shards, and wait until each has reported or is lost. If this is cancelled, they are, too.

        Raises:
            UsageError: There is no such deployment, or the Prefect server is gone for good.
        """
        try:
            for shard in self._shards:
                await self._start(shard)
            while not all(shard.over for shard in self._shards):
                await asyncio.sleep(_LOOK_SECONDS)
                await self._look([shard for shard in self._shards if not shard.over])
        except BaseException:
            await asyncio.shield(self._cancel())
            raise

    async def _start(self, shard: _Shard) -> None:
        """Start a shard. Asked twice, for an answer that was lost, the server starts it once."""
        try:
            flow_run = await arun_deployment(
                self._deployment,
                client=self._client,
                parameters={"parameters": self._parameters, "run_id": self._run_id, "shard": shard.number},
                timeout=0,
                as_subflow=True,
                idempotency_key=f"{self._run_id}/{shard.number}/{shard.attempt}",
            )
        except ObjectNotFound as error:
            raise UsageError(
                f"the Prefect server has no deployment '{self._deployment}', which reads shards; create it: "
                "prefect --no-prompt deploy --all"
            ) from error
        shard.flow_run, shard.begun = flow_run.id, False

    async def _look(self, shards: Sequence[_Shard]) -> None:
        """See how far the shards are: one request, however many there are."""
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[shard.flow_run for shard in shards if shard.flow_run]))
        try:
            found = {run.id: run for run in await self._client.read_flow_runs(flow_run_filter=wanted)}
        except httpx.HTTPError as error:
            self._silent_since = self._silent_since or time.monotonic()
            if time.monotonic() - self._silent_since > _UNANSWERED_SECONDS:
                message = f"the Prefect server does not tell about shards: {error}; see that it runs, then run again"
                raise UsageError(message) from error
            self._progress.announce(f"waiting for the Prefect server: {error}")
            return
        self._silent_since = None
        for shard in shards:
            await self._follow(shard, found.get(shard.flow_run) if shard.flow_run else None)
        self._tell()

    async def _follow(self, shard: _Shard, run: FlowRun | None) -> None:
        if run is None or run.state is None:
            shard.lost = "was deleted"
            return
        shard.figures, shard.begun = read_counters(run), run.start_time is not None
        if not run.state.is_final():
            return
        try:
            shard.report = await asyncio.to_thread(report_of, self._destination, self._run_id, shard.number)
        except ValueError as error:
            shard.lost = f"left a damaged report: {error}"
        if shard.over:
            return
        self._spent += shard.figures.requests
        shard.figures = replace(shard.figures, requests=0)  # counted
        if run.state.is_crashed() and shard.attempt < _MOST_ATTEMPTS:
            _log.warning("shard %d crashed and is started again: %s", shard.number, run.state.message)
            shard.attempt += 1
            await self._start(shard)
        else:
            how = "crashed twice" if run.state.is_crashed() else f"ended as {run.state.name}"
            shard.lost = f"({run.name}) {how}: {run.state.message}"

    def _tell(self) -> None:
        """Bring the run's own figures up to date."""
        progress = self._progress
        progress.statuses = self._before + sum((shard.figures.statuses for shard in self._shards), Counter())
        progress.requests = self._spent + sum(shard.figures.requests for shard in self._shards)
        progress.in_flight = sum(shard.figures.in_flight for shard in self._shards if not shard.over)
        waiting = [shard.number for shard in self._shards if not shard.begun]
        over = sum(shard.over for shard in self._shards)
        if waiting:
            progress.announce(f"{len(waiting)} of {counted(len(self._shards), 'shard')} waiting for a worker")
        else:
            progress.announce(f"reading, {over} of {counted(len(self._shards), 'shard')} done")

    async def _cancel(self) -> None:
        """Stop what was started. Prefect does this as well where the run is cancelled there, but later."""
        for shard in self._shards:
            if shard.flow_run and not shard.over:
                with contextlib.suppress(httpx.HTTPError):  # then the shard reads on, and nothing is lost
                    await self._client.set_flow_run_state(shard.flow_run, Cancelling(message="the run was stopped"))

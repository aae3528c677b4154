"""The batch of a flow run: opened by the flow, or begun before it by the command line."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from pagemill.batch.head_start import PerformWith
from pagemill.batch.run import Batch
from pagemill.config.run import read_settings
from pagemill.domain.pages.summary import RunSummary
from pagemill.orchestration.credentials import google_key
from pagemill.orchestration.service_url import located
from pagemill.orchestration.shards.coordinator import read_in_shards
from pagemill.orchestration.slots.admission import shared_slots
from pagemill.wiring.batch import new_run_id, open_batch
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.watching import RunWatch


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """A batch, and how it is read to its end."""

    batch: Batch
    read: Callable[[PerformWith], Awaitable[RunSummary]]  # takes the task that performs chunks


@contextlib.asynccontextmanager
async def flow_batch(parameters: OcrBatchParameters, watch: RunWatch) -> AsyncIterator[FlowBatch]:
    """Open the batch of a flow run, unless the command line has begun it.

    Args:
        parameters: What to read, and where the results go.
        watch: Follows the run.

    Raises:
        UsageError: A parameter or a setting is wrong.
    """
    if watch.head_start:
        yield FlowBatch(watch.head_start.batch, watch.head_start.joined)
        return
    settings = await located(read_settings(), parameters.endpoint)
    async with open_batch(parameters, settings, shared_slots, credentials=google_key) as batch:

        async def read(perform: PerformWith) -> RunSummary:
            run_id = new_run_id()
            if parameters.shards > 1:
                return await read_in_shards(batch, parameters, settings, run_id)
            return await batch.run(run_id, partial(perform, batch))

        yield FlowBatch(batch, read)

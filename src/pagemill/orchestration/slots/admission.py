"""Which slots a flow run uses: those of a limit that all runs share, or its own if it shares nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from prefect import get_client
from prefect.context import FlowRunContext

from pagemill.batch.progress import Progress
from pagemill.batch.slots import RunSlots
from pagemill.config.run import Settings
from pagemill.orchestration.server.process import is_private
from pagemill.orchestration.slots.leases import LimitSlots
from pagemill.ports import SlotPool
from pagemill.wiring.endpoint import endpoint_url
from pagemill.wiring.parameters import OcrBatchParameters


@contextlib.asynccontextmanager
async def shared_slots(
    parameters: OcrBatchParameters, settings: Settings, progress: Progress
) -> AsyncIterator[SlotPool]:
    """Slots of the limit that all runs of a Prefect server share.

    A run with a private Prefect server or with the embedded endpoint gets slots of its own.
    """
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None or is_private() or not endpoint_url(parameters, settings):
        yield RunSlots(parameters.in_flight)
        return
    async with (
        get_client() as client,
        LimitSlots(
            client,
            limit=settings.concurrency_limit,
            most=parameters.in_flight,
            flow_run=flow_run.id,
            announce=progress.announce,
        ) as slots,
    ):
        yield slots

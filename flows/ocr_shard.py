"""A part of the main flow: `ocr-batch` starts one run of it for each shard."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from pagemill.config.run import read_settings
from pagemill.domain.pages import keys
from pagemill.domain.pages.summary import RunSummary
from pagemill.orchestration.credentials import google_key
from pagemill.orchestration.reporting import final_state, report, reporting
from pagemill.orchestration.slots.admission import shared_slots
from pagemill.orchestration.termination import terminated_by_sigterm
from pagemill.tasks.reading import read_pages
from pagemill.wiring.batch import open_batch
from pagemill.wiring.parameters import OcrBatchParameters


@flow(name="ocr-shard", flow_run_name="ocr {parameters.source}, shard {shard}", persist_result=False)
async def ocr_shard(parameters: OcrBatchParameters, run_id: str, shard: int) -> State[RunSummary]:
    """Read the pages that a run has planned for one of its shards. That run starts it; do not start it by hand."""
    shard_id = keys.shard_id(run_id, shard)
    settings = read_settings()
    shard_of_run = open_batch(parameters, settings, shared_slots, credentials=google_key, shard=(run_id, shard))
    async with terminated_by_sigterm(), shard_of_run as batch:
        async with reporting(batch.progress, shard=UUID(flow_run.id)):
            summary = await batch.run(shard_id, partial(read_pages, batch))
        await report(summary)
    return final_state(summary)

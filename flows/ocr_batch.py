"""The main flow: PDFs in, Markdown out."""

from __future__ import annotations

from functools import partial

from prefect import flow
from prefect.client.schemas.objects import State

from pagemill.config.run import read_settings
from pagemill.domain.pages.summary import RunSummary
from pagemill.orchestration.credentials import google_key
from pagemill.orchestration.reporting import final_state, report, reporting
from pagemill.orchestration.service_url import located
from pagemill.orchestration.shards.coordinator import read_in_shards
from pagemill.orchestration.slots.admission import shared_slots
from pagemill.orchestration.termination import terminated_by_sigterm
from pagemill.tasks.reading import read_pages
from pagemill.wiring.batch import new_run_id, open_batch
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.watching import watched


@flow(name="ocr-batch", flow_run_name="ocr {parameters.source}", persist_result=False)
async def ocr_batch(parameters: OcrBatchParameters) -> State[RunSummary]:
    """Read every PDF of a source, with few pages in flight, and write Markdown, JSONL and a manifest for each."""
    watch = watched()
    async with terminated_by_sigterm(), watch.interruptible():
        settings = await located(read_settings(), parameters.endpoint)
        async with open_batch(parameters, settings, shared_slots, credentials=google_key) as batch:
            async with reporting(batch.progress):
                run_id = new_run_id()
                if parameters.shards > 1:
                    summary = await read_in_shards(batch, parameters, settings, run_id)
                else:
                    summary = await batch.run(run_id, partial(read_pages, batch))
            watch.conclude(summary)
            await report(summary)
    return final_state(watch.summary)

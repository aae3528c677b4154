"""The main flow: PDFs in, Markdown out."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from pagemill.domain.pages.summary import RunSummary
from pagemill.orchestration.flow_batch import flow_batch
from pagemill.orchestration.reporting import final_state, report, reporting
from pagemill.orchestration.termination import terminated_by_sigterm
from pagemill.tasks.reading import read_pages
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.watching import watched


@flow(name="ocr-batch", flow_run_name="ocr {parameters.source}", persist_result=False)
async def ocr_batch(parameters: OcrBatchParameters) -> State[RunSummary]:
    """Read every PDF of a source, with few pages in flight, and write Markdown, JSONL and a manifest for each."""
    watch = watched()
    async with terminated_by_sigterm(), watch.interruptible(), flow_batch(parameters, watch) as run:
        async with reporting(run.batch.progress):
            summary = await run.read(read_pages)
        watch.conclude(summary)
        await report(summary)
    return final_state(watch.summary)

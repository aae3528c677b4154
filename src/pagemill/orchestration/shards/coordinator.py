"""The coordinating run: plans the shards, runs them to completion, and publishes and sums up their results."""

from __future__ import annotations

from prefect import get_client

from pagemill.batch import shards
from pagemill.batch.conclusion import conclude
from pagemill.batch.run import Batch
from pagemill.config.run import Settings
from pagemill.domain.pages.sharding import split
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import PagemillError, StoreUnusable, UsageError
from pagemill.orchestration.shards.runs import ShardRuns
from pagemill.wiring.endpoint import endpoint_url
from pagemill.wiring.parameters import OcrBatchParameters


async def read_in_shards(batch: Batch, parameters: OcrBatchParameters, settings: Settings, run_id: str) -> RunSummary:
    """Divide the pages that are left to read among shards; return the summary over all of them.

    Raises:
        UsageError: These parameters do not allow shards.
    """
    for_workers = _for_workers(parameters, settings)
    pending = await shards.plan(batch)
    divided = split(pending, shards=parameters.most_shards())
    stopped_by: PagemillError | None = None
    async with get_client() as client:
        runs = ShardRuns(
            client,
            deployment=settings.shard_deployment,
            parameters=for_workers,
            run_id=run_id,
            shards=len(divided),
            batch=batch,
        )
        try:
            await batch.threads.publications(shards.write_plans, batch, run_id, divided)
            await runs.run_to_completion()
        except (StoreUnusable, UsageError) as error:
            stopped_by = error
    return await conclude(
        batch,
        run_id,
        pending,
        divided,
        runs.reports,
        unreported_requests=runs.unreported_requests,
        stopped_by=stopped_by or runs.lost,
    )


def _for_workers(parameters: OcrBatchParameters, settings: Settings) -> OcrBatchParameters:
    """The parameters, valid on every worker's machine.

    Raises:
        UsageError: There is no endpoint that all workers can reach.
    """
    url = endpoint_url(parameters, settings)
    if not url:
        raise UsageError(
            "shards share one OCR service, but each would start an embedded one; start `pagemill endpoint` "
            "and give its URL with --endpoint, or leave out --shards"
        )
    return parameters.with_absolute_paths().model_copy(update={"endpoint": url, "shards": 1})

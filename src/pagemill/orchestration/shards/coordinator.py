"""A run that has its pages read by others: plans them, sees them through, and brings together what they did."""

from __future__ import annotations

import asyncio

from prefect import get_client

from pagemill.batch import shards
from pagemill.batch.run import Batch
from pagemill.config.run import Settings
from pagemill.domain.pages.sharding import split
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import PagemillError, StoreUnusable, UsageError
from pagemill.orchestration.parameters import OcrBatchParameters
from pagemill.orchestration.shards.runs import ShardRuns
from pagemill.orchestration.wiring import endpoint_url


async def read_in_shards(batch: Batch, parameters: OcrBatchParameters, settings: Settings, run_id: str) -> RunSummary:
    """Divide what is left to read among shards, and account for all of it.

    Raises:
        UsageError: Shards cannot be had with these parameters.
    """
    for_workers = _at_any_place(parameters, settings)
    pending = await shards.plan(batch)
    divided = split(pending, shards=parameters.shards)
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
            await asyncio.to_thread(shards.write_plans, batch, run_id, divided)
            await runs.run_to_completion()
        except (StoreUnusable, UsageError) as error:
            stopped_by = error
    return await shards.conclude(
        batch,
        run_id,
        pending,
        divided,
        runs.reports,
        unreported_requests=runs.unreported_requests,
        stopped_by=stopped_by or runs.lost,
    )


def _at_any_place(parameters: OcrBatchParameters, settings: Settings) -> OcrBatchParameters:
    """The parameters as they mean the same wherever a worker is.

    Raises:
        UsageError: There is no endpoint that all of them reach.
    """
    url = endpoint_url(parameters, settings)
    if not url:
        raise UsageError(
            "shards share one OCR service, and the embedded one would be one for each; start `pagemill endpoint`, and "
            "name its URL with --endpoint; or leave out --shards"
        )
    return parameters.at_any_place().model_copy(update={"endpoint": url, "shards": 1})

"""Tasks of a batch: the units that the Prefect UI lists, retries and times."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from pagemill.batch.documents import Batch
from pagemill.batch.portions import Portion


@task(
    name="read-pages",
    task_run_name="{portion.name}",
    description="One document, or up to 200 pages of a long one. Finished pages are kept in the destination, not here.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def read_pages(batch: Batch, portion: Portion) -> None:
    """Read a portion's pages."""
    await batch.read(portion)
    failed = sum(number in portion.failed for number in portion.numbers)
    get_run_logger().info("%s: %d read, %d failed", portion.name, len(portion.numbers) - failed, failed)

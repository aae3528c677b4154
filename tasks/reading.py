"""Tasks of a batch: the units that the Prefect UI lists, retries and times."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from pagemill.batch.chunks import PageChunk
from pagemill.batch.head_start import ReadsChunks


@task(
    name="read-pages",
    task_run_name="{chunk.name}",
    description="One document, or up to 200 pages of a long one. Finished pages are kept in the destination, not here.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def read_pages(batch: ReadsChunks, chunk: PageChunk) -> None:
    """Read the pages of a chunk."""
    await batch.read(chunk)
    failed = sum(number in chunk.failed for number in chunk.numbers)
    get_run_logger().info("%s: %d read, %d failed", chunk.name, len(chunk.numbers) - failed, failed)

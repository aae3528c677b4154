"""Artifacts of a run in the Prefect UI: its progress while it runs, its results when it ends.

They never decide about a run: where the server does not take them, they are missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

from prefect import get_client
from prefect.artifacts import (
    acreate_link_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from pagemill.batch.progress import Progress
from pagemill.domain.pages import keys
from pagemill.domain.pages.summary import RunSummary
from pagemill.domain.wording import counted, passed_over, without_controls
from pagemill.errors import StoreUnusable
from pagemill.orchestration.documents_table import link, rows, shortened
from pagemill.orchestration.server.process import has_ended
from pagemill.orchestration.shards.counters import write_counters

_UPDATE_SECONDS = 5.0  # each update is a write to the server's database
_SEND_SECONDS = 30.0  # how long a server may take to accept one

_log = logging.getLogger(__name__)

T = TypeVar("T")


@contextlib.asynccontextmanager
async def reporting(progress: Progress, *, shard: UUID | None = None) -> AsyncIterator[None]:
    """Keep a progress artifact up to date while the context lasts; for a shard, its counters as well."""
    create = partial(acreate_progress_artifact, 0.0, key="ocr-progress", description=_headline(progress))
    artifact = await _sent("progress", create)
    updates = asyncio.create_task(_keep_updating(artifact, progress, shard))
    try:
        yield
    finally:
        updates.cancel()
        await asyncio.wait([updates])
        await _update(artifact, progress, shard)


async def report(summary: RunSummary) -> None:
    """Create a table of the documents, and a link to summary.json, which has all details."""
    await _sent("table of documents", partial(_send_table, summary))
    if not isinstance(summary.stopped_by, StoreUnusable):  # in that case the summary may not have been written
        await _sent("link to the summary", partial(_send_link, summary))


async def _send_table(summary: RunSummary) -> None:
    table, left_out = rows(summary)
    note = f" summary.json also lists {counted(left_out, 'more document')}." if left_out else ""
    about = shortened(f"{verdict(summary)} Results: {summary.destination}, run {summary.run_id}.{note}")
    await acreate_table_artifact(table, key="ocr-documents", description=about)


async def _send_link(summary: RunSummary) -> None:
    url, about = link(summary.destination, keys.run_summary(summary.run_id)), shortened(verdict(summary))
    await acreate_link_artifact(url, link_text="summary.json", key="ocr-summary", description=about)


def final_state(summary: RunSummary | None) -> State[RunSummary]:
    """The final state: failed if the run ended early. With failed pages it is completed, and its name says so.

    Args:
        summary: Of the run; None: it was interrupted.
    """
    if summary is None:
        return Cancelled(message="The run was interrupted; finished pages are kept.")
    message = shortened(verdict(summary))
    if summary.stopped_by:
        return Failed(message=message, data=summary)
    return Completed(name="Completed" if summary.complete else "CompletedWithFailures", message=message, data=summary)


def verdict(summary: RunSummary) -> str:
    """The run in one sentence."""
    read = f"{counted(summary.documents, 'document')}, {counted(summary.pages, 'page')}"
    images = f"; {passed_over(summary.images)}" if summary.images else ""
    if summary.stopped_by:
        trouble = f" ({summary.trouble})" if summary.trouble else ""
        return f"Stopped after {read}{trouble}: {without_controls(str(summary.stopped_by))}."
    suspects = f", {counted(summary.suspects, 'page')} suspect" if summary.suspects else ""
    return f"{read}: {summary.trouble or 'none failed'}{suspects}{images}."


async def _keep_updating(artifact: UUID | None, progress: Progress, shard: UUID | None) -> None:
    while True:
        await asyncio.sleep(_UPDATE_SECONDS)
        await _update(artifact, progress, shard)


async def _update(artifact: UUID | None, progress: Progress, shard: UUID | None) -> None:
    share = progress.pages_done / progress.pages_planned if progress.pages_planned else 0.0
    if artifact:
        description = _headline(progress)
        update = partial(aupdate_progress_artifact, artifact, progress=100.0 * share, description=description)
        await _sent("progress", update)
    if shard:
        await _sent("counters of the shard", partial(_write_counters, shard, progress))


async def _write_counters(shard: UUID, progress: Progress) -> None:
    async with get_client() as client:
        await write_counters(client, shard, progress)


async def _sent(what: str, send: Callable[[], Awaitable[T]]) -> T | None:
    """Send a report; None if the server does not take it, which must not cost a page or fail a run."""
    if has_ended():
        return None
    try:
        async with asyncio.timeout(_SEND_SECONDS):
            return await send()
    except Exception as error:  # noqa: BLE001 -- whatever a server or a proxy before it answers
        _log.warning("the run's %s could not be reported: %s", what, error)
        return None


def _headline(progress: Progress) -> str:
    pages = counted(progress.pages_planned, "page")
    return shortened(
        f"{progress.activity}: {progress.pages_done} of {pages}, "
        f"{progress.pages_per_second:.1f} a second, {progress.in_flight} in flight, {progress.verdict}"
    )

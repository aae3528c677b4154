"""Artifacts of a run in the Prefect UI: its progress while it runs, its results when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from prefect import get_client
from prefect.artifacts import (
    acreate_link_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from pagemill.batch.progress import Progress
from pagemill.domain.pages import keys
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.domain.wording import counted, passed_over, shown, without_controls
from pagemill.errors import StoreUnusable
from pagemill.orchestration.shards.counters import write_counters

_UPDATE_SECONDS = 5.0  # each update is a write to the server's database
_TABLE_ROWS = 1000  # summary.json lists all

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def reporting(progress: Progress, *, shard: UUID | None = None) -> AsyncIterator[None]:
    """Keep a progress artifact up to date while the context lasts; for a shard, its counters as well."""
    artifact: UUID = await acreate_progress_artifact(0.0, key="ocr-progress", description=_headline(progress))
    updates = asyncio.create_task(_keep_updating(artifact, progress, shard))
    try:
        yield
    finally:
        updates.cancel()
        await asyncio.wait([updates])
        await _update(artifact, progress, shard)


async def report(summary: RunSummary) -> None:
    """Create a table of the documents, and a link to summary.json, which has all details.

    Documents with failures come first, then those with findings.
    """
    outcomes = sorted(summary.outcomes, key=_worst_first)
    left_out = max(len(outcomes) - _TABLE_ROWS, 0)
    note = f" summary.json also lists {counted(left_out, 'more document')}." if left_out else ""
    await acreate_table_artifact(
        [_row(outcome, summary.destination) for outcome in outcomes[:_TABLE_ROWS]],
        key="ocr-documents",
        description=f"{verdict(summary)} Results: {summary.destination}, run {summary.run_id}.{note}",
    )
    if not isinstance(summary.stopped_by, StoreUnusable):  # in that case the summary may not have been written
        link = _link(summary.destination, keys.run_summary(summary.run_id))
        await acreate_link_artifact(link, link_text="summary.json", key="ocr-summary", description=verdict(summary))


def final_state(summary: RunSummary) -> State[RunSummary]:
    """The final state: failed if the run ended early. With failed pages it is completed, and its name says so."""
    if summary.stopped_by:
        return Failed(message=verdict(summary), data=summary)
    name = "Completed" if summary.complete else "CompletedWithFailures"
    return Completed(name=name, message=verdict(summary), data=summary)


def verdict(summary: RunSummary) -> str:
    """The run in one sentence."""
    read = f"{counted(summary.documents, 'document')}, {counted(summary.pages, 'page')}"
    images = f"; {passed_over(summary.images)}" if summary.images else ""
    if summary.stopped_by:
        trouble = f" ({summary.trouble})" if summary.trouble else ""
        return f"Stopped after {read}{trouble}: {without_controls(str(summary.stopped_by))}."
    return f"{read}: {summary.trouble or 'none failed'}{images}."


async def _keep_updating(artifact: UUID, progress: Progress, shard: UUID | None) -> None:
    while True:
        await asyncio.sleep(_UPDATE_SECONDS)
        await _update(artifact, progress, shard)


async def _update(artifact: UUID, progress: Progress, shard: UUID | None) -> None:
    share = progress.pages_done / progress.pages_planned if progress.pages_planned else 0.0
    try:
        await aupdate_progress_artifact(artifact, progress=100.0 * share, description=_headline(progress))
        if shard:
            async with get_client() as client:
                await write_counters(client, shard, progress)
    except Exception as error:  # noqa: BLE001 -- a server that does not answer must not cost a page
        _log.warning("the run's progress could not be reported: %s", error)


def _headline(progress: Progress) -> str:
    pages, trouble = counted(progress.pages_planned, "page"), progress.trouble or "none failed"
    return (
        f"{progress.activity}: {progress.pages_done} of {pages}, "
        f"{progress.pages_per_second:.1f} a second, {progress.in_flight} in flight, {trouble}"
    )


def _worst_first(outcome: DocumentOutcome) -> tuple[bool, bool, bool, str]:
    return not outcome.failed, not outcome.trouble, not outcome.findings, outcome.key


def _row(outcome: DocumentOutcome, destination: str) -> dict[str, object]:
    return {
        "document": shown(outcome.key),
        "what failed": without_controls(
            outcome.error or "; ".join(f"page {n}: {why}" for n, why in outcome.failures.items()) or outcome.trouble
        ),
        "findings": without_controls("; ".join(outcome.findings)),
        "pages": outcome.pages,
        **{status.value: outcome.statuses.get(status, 0) for status in Status},
        "reused": outcome.reused,
        "seconds": round(outcome.seconds, 1),
        "text": _link(destination, keys.markdown(outcome.key)) if outcome.pages else "",
    }


def _link(destination: str, key: str) -> str:
    """The URL of an object for a browser; for an object in a bucket, Google asks the user to log in."""
    if destination.startswith("gs://"):
        return f"https://storage.cloud.google.com/{quote(destination.removeprefix('gs://').rstrip('/'))}/{quote(key)}"
    return (Path(destination).absolute() / key).as_uri()

"""The display of a run: a progress bar on a terminal, else a line every ten seconds; and what it prints at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from pagemill.batch.opening import SurveyedDocument
from pagemill.batch.progress import Progress
from pagemill.cli.console import PlainConsole
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.domain.service.cost import busy_cost_usd
from pagemill.domain.service.gpu_estimate import L4, TEXT_TOKENS, pages_per_second
from pagemill.domain.wording import counted, passed_over, shown, without_controls

_REFRESH_SECONDS = 0.25
_LINE_SECONDS = 10.0
_MOST_FAILURES = 20  # summary.json lists all


@contextlib.asynccontextmanager
async def live_display(progress: Progress, console: PlainConsole) -> AsyncIterator[None]:
    """Show the progress of a run while the context lasts."""
    display = asyncio.create_task(_bar(progress, console) if console.is_terminal else _lines(progress, console))
    try:
        yield
    finally:
        display.cancel()
        await asyncio.wait([display])


def print_summary(summary: RunSummary, console: PlainConsole) -> None:
    """Print a finished run: the counts, then each failure and each suspect with its document, page and reason."""
    counts = ", ".join(f"{summary.statuses.get(status, 0)} {status}" for status in Status)
    documents, pages = counted(summary.documents, "document"), counted(summary.pages, "page")
    trouble = f" ({summary.trouble})" if summary.trouble else ""
    suspects = f"; {summary.suspects} of the ok ones suspect" if summary.suspects else ""
    console.print(f"{documents}, {pages}: {counts}{trouble}{suspects}")
    requests = counted(summary.requests, "request")
    cost = f", about ${summary.cost_usd:.2f}" if summary.cost_usd else ""
    console.print(
        f"{summary.reused} reused from earlier runs, {requests}, {summary.seconds:.1f} s{cost}; "
        f"results in {summary.destination}",
    )
    if summary.images:
        console.print(passed_over(summary.images))
    failures = [
        line for outcome in summary.outcomes for line in _failures(outcome.key, outcome.error, outcome.failures)
    ]
    suspected = [line for outcome in summary.outcomes for line in _suspects(outcome)]
    findings = [f"{outcome.key}: {finding}" for outcome in summary.outcomes for finding in outcome.findings]
    _print_some(failures, summary, console, style="red")
    _print_some(suspected, summary, console, style="yellow")
    _print_some(findings, summary, console, style="yellow")


def _print_some(lines: list[str], summary: RunSummary, console: PlainConsole, *, style: str) -> None:
    for line in lines[:_MOST_FAILURES]:
        console.print(line, style=style)
    if len(lines) > _MOST_FAILURES:
        where = f"{summary.destination}/_runs/{summary.run_id}/summary.json"
        console.print(f"... and {len(lines) - _MOST_FAILURES} more: {where}")


def print_survey(
    documents: list[SurveyedDocument],
    console: PlainConsole,
    *,
    in_flight: int,
    usd_per_second: float,
    images: Mapping[str, int] | None = None,
) -> None:
    """Print what a run would do, and an estimate of its time and cost on an L4 if the endpoint costs anything.

    Args:
        documents: The documents of the source.
        console: Where to print.
        in_flight: Pages at the endpoint at once.
        usd_per_second: Price of the busy endpoint; 0: it costs nothing.
        images: Files beside the PDFs that are not read, by ending.
    """
    table = Table(box=None)
    for title in ("document", "pages", "to read", "note"):
        table.add_column(title, justify="left" if title in {"document", "note"} else "right", overflow="fold")
    for document in documents:
        note = without_controls(document.error or "; ".join(document.findings))
        table.add_row(Text(shown(document.key)), str(document.page_count), str(document.to_read), Text(note))
    console.print(table, soft_wrap=False)
    pages, to_read = sum(d.page_count for d in documents), sum(d.to_read for d in documents)
    found, requests = f"{counted(len(documents), 'document')}, {counted(pages, 'page')}", counted(to_read, "request")
    console.print(
        f"{found}; a run would read {to_read} of them and send at most about {requests} (blank pages are not sent). "
        "Nothing was sent or written.",
    )
    if images:
        console.print(passed_over(images))
    if usd_per_second and to_read:
        seconds = to_read / pages_per_second(L4, in_flight)
        console.print(
            f"Estimate for one L4, {TEXT_TOKENS} tokens a page and {in_flight} in flight, once it is awake: "
            f"{timedelta(seconds=round(seconds))} h, ${busy_cost_usd(seconds, usd_per_second=usd_per_second):.2f}.",
        )


def headline(progress: Progress) -> str:
    """The run in one line."""
    listed = counted(progress.documents, "document") if progress.listed else f"{progress.documents}+ documents"
    planned, left = counted(progress.pages_planned, "page"), progress.seconds_left
    activity = without_controls(" ".join(progress.activity.split()))  # it may repeat an answer of the endpoint
    activity += f" ({progress.beside})" if progress.beside else ""
    return (
        f"{activity}: {len(progress.outcomes)} of {listed}, {progress.pages_done} of {planned}, "
        f"{progress.pages_per_second:.1f} pages/s, {progress.in_flight} in flight, {progress.verdict}"
        + (f", {left:.0f} s left" if left else "")
    )


async def _bar(progress: Progress, console: PlainConsole) -> None:
    columns = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        line = bar.add_task(headline(progress), total=None)
        while True:
            bar.update(
                line,
                description=headline(progress),
                completed=progress.pages_done,
                total=progress.pages_planned or None,
            )
            await asyncio.sleep(_REFRESH_SECONDS)


async def _lines(progress: Progress, console: PlainConsole) -> None:
    while True:
        await asyncio.sleep(_LINE_SECONDS)
        console.print(headline(progress))


def _suspects(outcome: DocumentOutcome) -> list[str]:
    name = without_controls(shown(outcome.key))
    return [f"{name}, page {number}: suspect, {trust}" for number, trust in outcome.suspects.items()]


def _failures(key: str, error: str, pages: Mapping[int, str]) -> list[str]:
    name = shown(key)
    whole = [f"{name}: {error}"] if error else []
    lines = whole + [f"{name}, page {number}: {reason}" for number, reason in sorted(pages.items())]
    return [without_controls(line) for line in lines]

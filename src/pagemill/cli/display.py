"""The display of a run: two lines on a terminal, else a line every ten seconds; and what it prints at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pagemill.batch.opening import SurveyedDocument
from pagemill.batch.progress import Progress
from pagemill.cli.console import PlainConsole
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.domain.service.cost import busy_cost_usd
from pagemill.domain.service.gpu_estimate import L4, TEXT_TOKENS, pages_per_second
from pagemill.domain.wording import counted, duration, passed_over, shown, without_controls

_REFRESH_SECONDS = 0.25
_LINE_SECONDS = 10.0
_BAR = 10  # characters
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
    return f"{_activity(progress)}: {', '.join(_counts(progress))}"


def two_lines(progress: Progress, width: int) -> tuple[str, str]:
    """The run in two lines of at most `width` characters: what it does, and as many counts as fit, failures first.

    Args:
        progress: The run.
        width: Of the terminal.
    """
    counts = _counts(progress)
    while len(counts) > 1 and len(", ".join(counts)) > width:
        counts.pop()
    return _cut(_activity(progress), width), _cut(", ".join(counts), width)


def _activity(progress: Progress) -> str:
    activity = without_controls(" ".join(progress.activity.split()))  # it may repeat an answer of the endpoint
    return f"{activity} ({progress.beside})" if progress.beside else activity


def _counts(progress: Progress) -> list[str]:
    """What is counted, the most important first."""
    listed = counted(progress.documents, "document") if progress.listed else f"{progress.documents}+ documents"
    left = progress.seconds_left
    return [
        f"{progress.pages_done} of {counted(progress.pages_planned, 'page')}",
        progress.verdict,
        *([f"{duration(left)} left"] if left else []),
        f"{len(progress.outcomes)} of {listed}",
        f"{progress.pages_per_second:.1f} pages/s",
        f"{progress.in_flight} in flight",
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


class _Bar:
    """Two lines and a bar, as they are at the moment when they are shown."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the lines in the width of the terminal."""
        elapsed = duration(self._progress.seconds)
        first, second = two_lines(self._progress, options.max_width)
        share = self._progress.pages_done / self._progress.pages_planned if self._progress.pages_planned else 0.0
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(width=_BAR)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        grid.add_column(no_wrap=True)
        grid.add_row(ProgressBar(1.0, share, width=_BAR), Text(first), Text(elapsed))
        yield grid
        yield Text(second, no_wrap=True, overflow="ellipsis")


async def _bar(progress: Progress, console: PlainConsole) -> None:
    with Live(_Bar(progress), console=console, transient=True, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            live.refresh()  # here, not in a thread: the counters change on this event loop


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

"""Prints an evaluation: a row for each document, the sums, and the worst pages."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from pagemill.cli.console import PlainConsole, messages
from pagemill.domain.evaluation.report import Evaluation, ScoredPage, Suspects
from pagemill.domain.evaluation.scores import Sums
from pagemill.domain.pages.model import Status
from pagemill.domain.wording import counted, shown

_MOST_LINES = 20  # of each kind; --json has all
_WORST_PAGES = 5
_TITLES = ("pages", "CER", "CER of\nblocks", "words\nF1", "in\norder", "cells\nF1", "heads\nF1", "items\nF1")


def print_evaluation(evaluation: Evaluation, console: PlainConsole) -> None:
    """Print the scores, then what could not be compared."""
    if evaluation.documents:
        console.print(_table(evaluation), soft_wrap=False)
        for line in _lines(evaluation):
            console.print(line)
        for line in _worst(evaluation):
            console.print(line, style="yellow")
    for lines, style in ((evaluation.notes, "yellow"), (evaluation.problems, "red")):
        for line in lines[:_MOST_LINES]:
            messages().print(line, style=style)
        if len(lines) > _MOST_LINES:
            messages().print(f"... and {len(lines) - _MOST_LINES} more: --json prints all")


def _table(evaluation: Evaluation) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("document", overflow="fold")
    for title in _TITLES:
        table.add_column(title, justify="right", no_wrap=True)
    for document in evaluation.documents:
        table.add_row(Text(shown(document.key)), *_cells(document.sums))
    table.add_section()
    table.add_row("all", *_cells(evaluation.sums))
    return table


def _cells(sums: Sums) -> list[str]:
    agreements = (sums.words, sums.ordered, sums.cells, sums.headings, sums.items)
    rates = (sums.cer, sums.block_cer, *(agreement.f1 for agreement in agreements))
    return [str(sums.pages), *map(_shown, rates)]


def _lines(evaluation: Evaluation) -> list[str]:
    sums, statuses = evaluation.sums, evaluation.statuses
    counts = ", ".join(f"{statuses[status]} {status}" for status in Status if statuses[status])
    bare = f"{counted(sums.invented, 'invented word')} on {counted(sums.bare, 'blank or sparse page')}"
    lines = [f"{counted(sums.pages, 'page')}{f' ({counts})' if counts else ''}; {counted(sums.loops, 'loop')}; {bare}"]
    lines.append(_suspects(evaluation.suspects, evaluation.min_score))
    if evaluation.seconds_a_page is not None and evaluation.usd_a_page is not None:
        cost = f"${evaluation.usd_a_page:.6f}" if evaluation.usd_a_page else "$0"
        lines.append(f"{evaluation.seconds_a_page:.2f} s from sending a page to its answer, {cost} a page")
    return lines


def _suspects(suspects: Suspects, min_score: float) -> str:
    if not suspects.judged:
        return "suspects: not known, because the results have no scores"
    found, wrong = suspects.agreement.found, suspects.agreement.wanted
    return (
        f"suspects (score below {min_score:g}): {found} of {counted(suspects.judged, 'page')}, {wrong} wrong; "
        f"precision {_shown(suspects.precision)}, recall {_shown(suspects.recall)}"
    )


def _worst(evaluation: Evaluation) -> list[str]:
    """The pages with most errors, in any order of their blocks."""
    wrong = [
        (document.key, page) for document in evaluation.documents for page in document.pages if page.comparison.wrong
    ]
    wrong.sort(key=lambda found: found[1].comparison.sums.block_edits, reverse=True)
    return [_page(key, page) for key, page in wrong[:_WORST_PAGES]]


def _page(key: str, page: ScoredPage) -> str:
    sums = page.comparison.sums
    where = f", page {page.number}" if page.number else ""
    status = f" ({page.status})" if page.status and page.status is not Status.OK else ""
    rate = f"CER of blocks {sums.block_cer:.3f}" if sums.block_cer is not None else "blank"
    invented = f", {counted(sums.invented, 'invented word')}" if sums.invented else ""
    score = f", score {page.score:g}" if page.score is not None else ""
    return f"{shown(key)}{where}{status}: {rate}{invented}{score}"


def _shown(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.3f}"

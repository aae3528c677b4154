"""Counts as people read them: on the terminal and in the Prefect UI."""

from __future__ import annotations

import asyncio
import io
import re
from collections import Counter
from dataclasses import replace

import pytest

from pagemill.batch.opening import SurveyedDocument
from pagemill.batch.progress import Progress
from pagemill.cli.console import PlainConsole
from pagemill.cli.display import headline, live_display, print_summary, print_survey, two_lines
from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.domain.pages.trust import Trust
from pagemill.errors import StoreUnusable
from pagemill.orchestration.reporting import verdict


def _summary(documents: int, pages: int) -> RunSummary:
    return RunSummary(
        run_id="a-run",
        documents=documents,
        statuses={Status.OK: pages},
        reused=0,
        requests=pages,
        seconds=1.0,
        cost_usd=0.0,
        destination="out",
        outcomes=(),
    )


@pytest.mark.parametrize(
    ("count", "documents", "pages", "requests"),
    [
        (0, "0 documents", "0 pages", "0 requests"),
        (1, "1 document", "1 page", "1 request"),
        (2, "2 documents", "2 pages", "2 requests"),
    ],
)
def test_a_summary_counts_in_singular_and_plural(count: int, documents: str, pages: str, requests: str) -> None:
    printed = io.StringIO()

    print_summary(_summary(count, count), PlainConsole(file=printed, width=200))

    assert f"{documents}, {pages}: {count} ok" in printed.getvalue()
    assert f"{requests}, 1.0 s" in printed.getvalue()
    assert verdict(_summary(count, count)) == f"{documents}, {pages}: none failed."


@pytest.mark.parametrize(
    ("listed", "documents"),
    [(True, "0 of 1 document,"), (False, "0 of 1+ documents,")],
    ids=["the listing has ended", "the listing goes on"],
)
def test_progress_says_how_many_of_how_many(listed: bool, documents: str) -> None:  # noqa: FBT001 -- a parameter of the test
    progress = Progress(listed=listed, documents=1, pages_planned=2, statuses=Counter({Status.OK: 1}))

    assert documents in headline(progress)
    assert "1 of 2 pages," in headline(progress)


def _busy(activity: str = "reading") -> Progress:
    progress = Progress(activity=activity, listed=True, documents=120, pages_planned=4000, in_flight=8)
    progress.statuses = Counter({Status.OK: 1000, Status.FAILED: 3})
    progress.reading_since -= 100.0
    return progress


def test_the_display_has_two_lines_that_fit_80_columns_and_show_failures_and_the_time_left() -> None:
    first, second = two_lines(_busy(), 80)

    assert first == "reading"
    assert second.startswith("1003 of 4000 pages, 3 pages failed, 5 min left, 0 of 120 documents")
    assert len(second) <= 80


def test_in_a_narrow_terminal_the_display_leaves_out_what_matters_least() -> None:
    assert two_lines(_busy(), 40)[1] == "1003 of 4000 pages, 3 pages failed"


def test_a_long_answer_of_an_endpoint_is_cut_at_the_width_of_the_terminal() -> None:
    first, _ = two_lines(_busy("waiting for the endpoint: " + "x" * 500), 80)

    assert len(first) == 80
    assert first.endswith("…")


@pytest.mark.parametrize("width", [80, 200])
async def test_a_terminal_shows_two_lines_each_time_and_no_colour_where_none_is_wanted(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = io.StringIO()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    console = PlainConsole(file=printed, width=width)

    async with live_display(_busy(), console):
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in printed.getvalue().splitlines()]
    first, second = [line for line in lines if line][:2]
    assert "reading" in first
    assert "3 pages failed" in second
    assert max(map(len, lines)) <= width
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", printed.getvalue())


def test_bar_and_ui_and_terminal_say_the_same_of_what_has_no_result() -> None:
    outcomes = (
        DocumentOutcome("a.pdf", 3, {Status.OK: 1, Status.FAILED: 2}, failures={1: "torn", 2: "torn"}),
        DocumentOutcome("b.pdf", 0, {}, error="no PDF"),
        DocumentOutcome("c.pdf", 1, {Status.OK: 1}, finished=False),
    )
    progress = Progress(listed=True, documents=3)
    for outcome in outcomes:
        progress.add(outcome, Counter())
    summary = progress.summary("run", destination="out", usd_per_second=0.0, stopped_by=None)
    printed = io.StringIO()
    print_summary(summary, PlainConsole(file=printed, width=200))

    says = "2 pages failed, 1 document unreadable, 1 document not finished"
    assert says in headline(progress)
    assert verdict(summary) == f"3 documents, 4 pages: {says}."
    assert verdict(replace(summary, stopped_by=StoreUnusable("full"))) == (
        f"Stopped after 3 documents, 4 pages ({says}): full."
    )
    assert f"3 documents, 4 pages: 2 ok, 0 blank, 0 text_layer, 0 fallback, 2 failed ({says})" in printed.getvalue()


def test_images_that_are_not_read_are_mentioned_wherever_a_run_is_summed_up() -> None:
    printed, summary = io.StringIO(), replace(_summary(1, 1), images={".tif": 2, ".png": 1})
    print_summary(summary, PlainConsole(file=printed, width=200))

    assert "\n3 images not read (1 .png, 2 .tif)\n" in printed.getvalue()
    assert verdict(summary) == "1 document, 1 page: none failed; 3 images not read (1 .png, 2 .tif)."


def test_the_seconds_of_a_run_include_those_before_it_began_to_read() -> None:
    progress = Progress()
    progress.started -= 10.0
    progress.begin()
    summary = progress.summary("run", destination="out", usd_per_second=0.0, stopped_by=None)

    assert summary.seconds >= 10.0


def test_names_and_reasons_of_failures_move_no_cursor_and_stay_on_their_line() -> None:
    printed = io.StringIO()
    outcomes = (
        DocumentOutcome("a\x1b[2J\n.pdf", 0, {}, error="no\x1b]0;title\x07"),
        DocumentOutcome("a\u200b[red].pdf", 1, {Status.FAILED: 1}, failures={1: "bad\u202e"}),
    )

    print_summary(replace(_summary(2, 1), outcomes=outcomes), PlainConsole(file=printed, width=200))

    lines = printed.getvalue().splitlines()[-2:]
    assert lines == [
        r"'a\x1b[2J\n.pdf': no\x1b]0;title\x07",
        r"'a\u200b[red].pdf', page 1: bad\u202e",
    ]


def test_a_dry_run_shows_names_as_they_are_and_escapes_what_nobody_sees() -> None:
    printed = io.StringIO()
    documents = [SurveyedDocument("[red]a[/red].pdf", 1, 1), SurveyedDocument("b\u200b.pdf", 0, 0, "[bold]\x1b")]

    print_survey(documents, PlainConsole(file=printed, width=200), in_flight=8, usd_per_second=0.0)

    assert "[red]a[/red].pdf" in printed.getvalue()
    assert r"'b\u200b.pdf'" in printed.getvalue()
    assert r"[bold]\x1b" in printed.getvalue()


def test_suspects_are_counted_beside_the_statuses_and_named_with_their_scores() -> None:
    printed = io.StringIO()
    suspects = {2: Trust(0.45, ("low-dpi",)), 3: Trust(0.5)}
    outcome = DocumentOutcome("a.pdf", 3, {Status.OK: 3}, suspects=suspects)
    summary = replace(_summary(1, 3), outcomes=(outcome,))

    print_summary(summary, PlainConsole(file=printed, width=200))

    assert "3 pages: 3 ok, 0 blank, 0 text_layer, 0 fallback, 0 failed; 2 of the ok ones suspect" in printed.getvalue()
    assert "a.pdf, page 2: suspect, score 0.45 (low-dpi)\na.pdf, page 3: suspect, score 0.5\n" in printed.getvalue()
    assert verdict(summary) == "1 document, 3 pages: none failed, 2 pages suspect."
    assert exit_code(summary) is ExitCode.DONE
    assert exit_code(replace(summary, suspects_fail=True)) is ExitCode.FAILURES


def test_the_line_of_progress_has_the_suspects() -> None:
    assert "none failed, 2 suspect" in headline(Progress(suspects=2))

"""Text from outside is printed as it is: no markup, no control characters, whatever the terminal can hold."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.table import Table

from pagemill.batch.progress import Progress
from pagemill.cli.console import PlainConsole
from pagemill.cli.display import headline, live_display, print_summary
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import StoreUnusable

# What looks like markup, an emoji's name, a style, a link, a closing tag without an opening one.
_MARKUP = ["o[/x]", "[red]x.pdf", "[/v1/chat] is away", ":smile:", "[link=http://x]a", "[bold", "\\[b]", "[[]]", "[/]"]
_SUMMARY = RunSummary("a-run", 1, {}, 0, 0, 1.0, 0.0, "out", ())


@pytest.mark.parametrize("text", _MARKUP)
def test_what_looks_like_markup_is_printed_as_it_is(text: str) -> None:
    printed = io.StringIO()

    PlainConsole(file=printed, width=80).print(text, style="bold red")

    assert printed.getvalue() == f"{text}\n"


@pytest.mark.parametrize("text", _MARKUP)
def test_what_looks_like_markup_is_no_markup_in_a_table_and_in_its_title(text: str) -> None:
    printed, table = io.StringIO(), Table(text, title=text, box=None)
    table.add_row(text)

    PlainConsole(file=printed, width=80).print(table)

    assert printed.getvalue().count(text) == 3


@pytest.mark.parametrize("text", _MARKUP)
def test_the_destination_of_a_run_is_printed_as_it_is(text: str) -> None:
    printed = io.StringIO()

    print_summary(replace(_SUMMARY, destination=text), PlainConsole(file=printed))

    assert f"results in {text}\n" in printed.getvalue()


@pytest.mark.parametrize("text", _MARKUP)
async def test_an_endpoints_words_do_not_end_the_progress_bar(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed, progress = io.StringIO(), Progress()
    progress.announce(f"waiting for the endpoint: {text}")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    console = PlainConsole(file=printed, width=200)

    async with live_display(progress, console):
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert text in printed.getvalue()


def test_an_answer_of_several_lines_is_one_line_of_progress() -> None:
    progress = Progress(activity="waiting: <html>\n<h1>503</h1>\r\n\x1b[2J")

    assert headline(progress).startswith(r"waiting: <html> <h1>503</h1> \x1b[2J: 0 of ")


def test_control_characters_are_escaped_and_long_lines_are_not_broken() -> None:
    printed = io.StringIO()

    PlainConsole(file=printed, width=20).print("\x1b]0;title\x07 " + "long " * 20)

    assert printed.getvalue() == r"\x1b]0;title\x07 " + "long " * 20 + "\n"


def _printed_by(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"from pagemill.cli.console import *; prepare_streams(); {program}"]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60, check=False
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_name_that_the_terminals_encoding_does_not_have_is_escaped(encoding: str) -> None:
    done = _printed_by("output().print('ж\\udcff.pdf')", PYTHONIOENCODING=encoding)

    assert done.returncode == 0, done.stderr
    assert done.stdout in {"\\u0436\\udcff.pdf\n", "ж\\udcff.pdf\n"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_results_that_cannot_be_written_are_an_error_and_messages_are_not() -> None:
    with Path("/dev/full").open("w") as full:
        console = PlainConsole(file=full)
        with pytest.raises(StoreUnusable, match="standard output cannot be written: No space left"):
            console.print("x" * 10_000)
        console.print("to nobody")

    with Path("/dev/full").open("w") as full:
        console = PlainConsole(file=full)
        console.stderr = True
        console.print("x" * 10_000)


def test_output_that_nobody_reads_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)

    with os.fdopen(writer, "w") as file:
        console = PlainConsole(file=file)
        console.print("a")
        console.print("b")

    assert console.quiet

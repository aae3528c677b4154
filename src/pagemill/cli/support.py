"""Shared by all commands: exit codes, and the printing of errors."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

import typer

from pagemill.cli.console import messages
from pagemill.errors import DeploymentFailed, EndpointNeverAnswered, PagemillError, ShardLost, StoreUnusable

if TYPE_CHECKING:
    from pagemill.domain.pages.summary import RunSummary


class ExitCode(IntEnum):
    """How a command ended. There are no others."""

    DONE = 0
    WRONG_USAGE = 2
    FAILURES = 3  # finished, but pages or documents failed, or are suspects and PAGEMILL_SUSPECTS_FAIL is set
    ENDPOINT_NEVER_ANSWERED = 4
    STORE_UNUSABLE = 5
    DEPLOYMENT_FAILED = 6  # the previous revision keeps serving
    SHARD_LOST = 7  # pages were not read; run again
    DEFECT = 70  # of pagemill itself; the name in sysexits.h is EX_SOFTWARE
    INTERRUPTED = 130


_EXITS: dict[type[PagemillError], ExitCode] = {
    EndpointNeverAnswered: ExitCode.ENDPOINT_NEVER_ANSWERED,
    StoreUnusable: ExitCode.STORE_UNUSABLE,
    DeploymentFailed: ExitCode.DEPLOYMENT_FAILED,
    ShardLost: ExitCode.SHARD_LOST,
}


def exit_code(outcome: RunSummary | PagemillError) -> ExitCode:
    """The exit code for the outcome of a command."""
    if isinstance(outcome, PagemillError):
        return next((code for kind, code in _EXITS.items() if isinstance(outcome, kind)), ExitCode.WRONG_USAGE)
    if outcome.stopped_by:
        return exit_code(outcome.stopped_by)
    return ExitCode.DONE if outcome.passed else ExitCode.FAILURES


def fail(error: PagemillError) -> NoReturn:
    """Print the error and end the command with its exit code."""
    raise typer.Exit(explain(error))


def explain(error: PagemillError) -> ExitCode:
    """Print the error; return its exit code."""
    messages().print(f"pagemill: {error}", style="bold red")
    return exit_code(error)


def warn_of_misspelt_settings() -> None:
    """Name variables that look like settings and have no effect."""
    from pagemill.config.misspelt import misspelt_variables

    for sentence in misspelt_variables():
        messages().print(f"pagemill: {sentence}", style="yellow")

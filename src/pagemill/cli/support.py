"""Shared by all commands: exit codes, and the printing of errors."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console

from pagemill.domain.wording import without_controls
from pagemill.errors import DeploymentFailed, EndpointNeverAnswered, PagemillError, ShardLost, StoreUnusable

if TYPE_CHECKING:
    from pagemill.domain.pages.summary import RunSummary


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    WRONG_USAGE = 2
    FAILURES = 3  # finished, but pages or documents failed
    ENDPOINT_NEVER_ANSWERED = 4
    STORE_UNUSABLE = 5
    DEPLOYMENT_FAILED = 6  # the previous revision keeps serving
    SHARD_LOST = 7  # pages were not read; run again
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
    return ExitCode.DONE if outcome.complete else ExitCode.FAILURES


def fail(error: PagemillError) -> NoReturn:
    """Print the error and end the command with its exit code."""
    console().print(
        f"pagemill: {without_controls(str(error))}", style="bold red", highlight=False, soft_wrap=True, markup=False
    )
    raise typer.Exit(exit_code(error))


def console() -> Console:
    """Standard error: standard output is for results."""
    return Console(stderr=True)

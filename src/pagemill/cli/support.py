"""What commands share: exit codes, the words for an error, where they are printed, and how Prefect behaves."""

from __future__ import annotations

import os
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console

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

# How Prefect behaves where nobody has said otherwise: quiet, private and quick.
_PREFECT_DEFAULTS = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the server gets the log all the same
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # One transaction for a hundred task runs instead of one each: a quarter of the server's CPU time.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "DO_NOT_TRACK": "1",
}


def quiet_prefect() -> None:
    """Prefect reads its settings when it is imported."""
    for name, value in _PREFECT_DEFAULTS.items():
        os.environ.setdefault(name, value)


def exit_code(outcome: RunSummary | PagemillError) -> ExitCode:
    """How a command ends that came to this."""
    if isinstance(outcome, PagemillError):
        return next((code for kind, code in _EXITS.items() if isinstance(outcome, kind)), ExitCode.WRONG_USAGE)
    if outcome.stopped_by:
        return exit_code(outcome.stopped_by)
    return ExitCode.DONE if outcome.complete else ExitCode.FAILURES


def fail(error: PagemillError) -> NoReturn:
    """Say what happened, and end as it demands."""
    console().print(f"pagemill: {error}", style="bold red", highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(exit_code(error))


def console() -> Console:
    """Standard error: standard output is for results."""
    return Console(stderr=True)

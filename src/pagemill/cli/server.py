"""`pagemill register` and `pagemill doctor`: create and check what runs need."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from pagemill.cli.console import output
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.cli.support import ExitCode, fail, warn_of_misspelt_settings
from pagemill.errors import PagemillError


def register(
    slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Maximum number of pages in flight over all runs. Default: unchanged; 8 for a new limit.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; print what differs, with exit code 3 if anything does.")
    ] = False,
) -> None:
    """Create what runs need on the Prefect server: limit, work pools, variables, automations. Safe to run again.

    The settings are PAGEMILL_POOL_ variables. Then create the deployments: prefect --no-prompt deploy --all
    """
    from pagemill.config.pool import read_pool_settings
    from pagemill.config.run import read_settings
    from pagemill.orchestration.prefect_settings import load_prefect
    from pagemill.orchestration.server.listening import require_listening

    try:
        warn_of_misspelt_settings()
        settings, pool = read_settings(), read_pool_settings()
        require_listening()
        load_prefect()
        from pagemill.deployments.register import differences, register_all
        from pagemill.orchestration.server.shared import server_errors_named

        with server_errors_named():
            if check:
                lines, up_to_date = run_until_interrupted(differences(settings, pool))
            else:
                lines, up_to_date = run_until_interrupted(register_all(settings, pool, slots=slots)), True
    except PagemillError as error:
        fail(error)
    for line in lines:
        output().print(line)
    raise typer.Exit(ExitCode.DONE if up_to_date else ExitCode.FAILURES)


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Give back slots that no live run holds. Takes up to 80 seconds.")
    ] = False,
) -> None:
    """Check what is configured, reachable or missing, and print the command that fixes each problem."""
    from pagemill.orchestration.prefect_settings import load_prefect

    try:
        load_prefect()
        status = run_until_interrupted(_print_findings(repair=repair))
    except PagemillError as error:
        fail(error)
    raise typer.Exit(status)


async def _print_findings(*, repair: bool) -> ExitCode:
    from pagemill.config.run import read_settings
    from pagemill.orchestration.doctor import findings

    screen, healthy = output(), True
    async for finding in findings(read_settings(), repair=repair):
        healthy = healthy and finding.ok
        mark = Text("ok     ", "green") if finding.ok else Text("problem", "red")
        screen.print(mark, f"{finding.subject}: {finding.detail}")
    return ExitCode.DONE if healthy else ExitCode.WRONG_USAGE

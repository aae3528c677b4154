"""`pagemill register` and `pagemill doctor`: what runs need, on the Prefect server and around it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from pagemill.cli.support import ExitCode, fail, quiet_prefect
from pagemill.errors import PagemillError


def register(
    slots: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Pages at the endpoint over all runs. Default: as it is; 8 where it is new."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what differs; exit code 3 if anything does.")
    ] = False,
) -> None:
    """Create on the Prefect server what runs need there: limit, work pools, variables, automations. Again is no harm.

    The settings are PAGEMILL_POOL_ variables. Deployments follow with: prefect --no-prompt deploy --all
    """
    from pagemill.config.pool import read_pool_settings
    from pagemill.config.run import read_settings

    try:
        settings, pool = read_settings(), read_pool_settings()
        quiet_prefect()
        from pagemill.deployments.register import differences, register_all

        if check:
            lines, fine = asyncio.run(differences(settings, pool))
        else:
            lines, fine = asyncio.run(register_all(settings, pool, slots=slots)), True
    except PagemillError as error:
        fail(error)
    for line in lines:
        Console().print(line, highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(ExitCode.DONE if fine else ExitCode.FAILURES)


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Give slots back that no live run holds; takes up to 80 seconds.")
    ] = False,
) -> None:
    """Say what is configured, what is reachable, what is missing, and the command that mends it."""
    try:
        quiet_prefect()
        status = asyncio.run(_diagnose(repair=repair))
    except PagemillError as error:
        fail(error)
    raise typer.Exit(status)


async def _diagnose(*, repair: bool) -> ExitCode:
    from pagemill.config.run import read_settings
    from pagemill.orchestration.doctor import findings

    screen, fine = Console(), True
    async for finding in findings(read_settings(), repair=repair):
        fine = fine and finding.fine
        mark = "[green]ok[/]     " if finding.fine else "[red]missing[/]"
        screen.print(f"{mark} {finding.what}: ", end="")
        screen.print(finding.detail, markup=False, highlight=False, soft_wrap=True)
    return ExitCode.DONE if fine else ExitCode.WRONG_USAGE

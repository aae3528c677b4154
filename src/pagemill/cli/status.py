"""`pagemill status`: what is deployed, where requests go, and what runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pagemill.cli.console import messages, output
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.cli.support import fail, warn_of_misspelt_settings
from pagemill.errors import PagemillError
from pagemill.extras import needs

if TYPE_CHECKING:
    from pagemill.orchestration.deploy.inspection import ServiceReport


def status(
    project: Annotated[str, typer.Option(help="Google Cloud project. Default: GOOGLE_CLOUD_PROJECT.")] = "",
    region: Annotated[str, typer.Option(help="Cloud Run region. Default: PAGEMILL_SERVICE_REGION.")] = "",
) -> None:
    """Print the GPU service: its URL, its revisions, where requests go, what was verified, what runs, what it costs.

    Changes nothing and wakes nothing. Instances are those that Cloud Monitoring knows of, a minute or three ago.
    """
    from pagemill.config.run import read_settings
    from pagemill.config.service import read_service_settings
    from pagemill.orchestration.prefect_settings import load_prefect

    try:
        warn_of_misspelt_settings()
        load_prefect()
        from pagemill.orchestration.deploy.inspection import service_report

        with needs("deploy", "pagemill status"):
            importlib.import_module("pagemill.gcp.cloud_run")
        settings = read_service_settings(project=project or None, region=region or None)
        messages().print(settings.where)
        _print(run_until_interrupted(service_report(settings, read_settings())))
    except PagemillError as error:
        fail(error)


def _print(report: ServiceReport) -> None:
    screen, state = output(), report.state
    screen.print(f"URL: {state.url or 'none'}")
    table = Table("revision", "requests", "verified", "tag", "instances", box=None)
    for revision in state.revisions:
        shares = [share for share in state.traffic if share.revision == revision]
        table.add_row(
            revision,
            f"{sum(share.percent for share in shares)} %",
            "yes" if revision in state.verified else "no",
            ", ".join(share.tag for share in shares if share.tag),
            str(report.instances.get(revision, "—")),
        )
    screen.print(table, soft_wrap=False)
    if report.billed_seconds is not None:
        hours, usd = report.billed_seconds / 3600, report.billed_usd
        cost = "" if usd is None else f", about {usd:.2f} USD by list prices"
        screen.print(f"last 24 hours: {hours:.1f} hours of instances{cost}")
    if report.unknown:
        messages().print(f"instances and cost are not known: {report.unknown}")
    if state.left_behind:
        messages().print(
            f"{state.left_behind} is being verified, or a deployment that died left it behind; if no deployment is "
            "running, type: pagemill deploy"
        )

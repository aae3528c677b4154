"""`pagemill deploy --delete`: deletes the GPU service, and withdraws its URL."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from pagemill.cli.console import output
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.errors import UsageError
from pagemill.extras import needs

if TYPE_CHECKING:
    from pagemill.config.service import ServiceSettings
    from pagemill.orchestration.deploy.parameters import DeployParameters


def delete_service(parameters: DeployParameters, announce: Callable[[str], object]) -> None:
    """Delete the service, once its project and its name have been typed.

    Args:
        parameters: Project and region.
        announce: Called with where it is.

    Raises:
        UsageError: There is no such service, or something else was typed.
        PagemillError: It cannot be deleted.
    """
    from pagemill.config.service import read_service_settings

    with needs("deploy", "pagemill deploy"):
        importlib.import_module("pagemill.gcp.cloud_run")
    settings = read_service_settings(**parameters.overrides())
    announce(settings.where)
    where = settings.full_name
    url = run_until_interrupted(_existing(settings, where))
    name = f"{settings.project}/{settings.name}"
    typed = typer.prompt(f"This deletes {where} with all its revisions. To continue, type {name}", err=True)
    if typed != name:
        raise UsageError(f"'{typed}' is not {name}; nothing was deleted")
    withdrawn = run_until_interrupted(_deleted(settings, url), clean_up_seconds=None)
    output().print(f"{where} is deleted{'; its URL is no longer published' if withdrawn else ''}")


async def _existing(settings: ServiceSettings, where: str) -> str:
    """The URL of the service.

    Raises:
        UsageError: There is none.
    """
    from pagemill.config.run import read_settings
    from pagemill.orchestration.deploy.inspection import service_state

    state = await service_state(settings, read_settings())
    if state is None:
        raise UsageError(f"there is no service {where}")
    return state.url


async def _deleted(settings: ServiceSettings, url: str) -> bool:
    """Delete the service; return whether its URL was published, and is not any more."""
    from pagemill.config.run import read_settings
    from pagemill.gcp.cloud_run import CloudRun
    from pagemill.orchestration.deploy.inspection import opened_google
    from pagemill.orchestration.server.private import prefect_api
    from pagemill.orchestration.server.shared import server_errors_named
    from pagemill.orchestration.service_url import withdraw

    async with opened_google(settings, read_settings()) as google:
        await CloudRun(google, settings, model="").delete()
    with server_errors_named():
        async with prefect_api():
            return await withdraw(url)

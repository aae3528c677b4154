"""`pagemill deploy --logs`: the last lines of the service's log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pagemill.cli.console import messages, output
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.extras import needs

if TYPE_CHECKING:
    from pagemill.orchestration.deploy.parameters import DeployParameters

_LINES = 100


def print_log(parameters: DeployParameters, announce: Callable[[str], object]) -> None:
    """Print the last lines of a revision's log, as they are: the log to standard output, all else to standard error.

    Args:
        parameters: Project, region and revision; without a revision, the newest one.
        announce: Called with where the service is, and which revision was read.

    Raises:
        PagemillError: There is no service, or we may not read its log.
    """
    from pagemill.config.run import read_settings
    from pagemill.config.service import read_service_settings

    with needs("deploy", "pagemill deploy --logs"):
        from pagemill.orchestration.deploy.service_log import last_lines

    settings = read_service_settings(**parameters.overrides())
    announce(settings.where)
    revision, lines = run_until_interrupted(last_lines(settings, read_settings(), parameters.revision, _LINES))
    for line in lines:
        output().print(line, markup=False, highlight=False, soft_wrap=True)
    if lines:
        announce(f"these are the last lines of {revision}")
    else:
        messages().print(f"{revision} has written nothing in the last 30 days; `pagemill status` lists the revisions")

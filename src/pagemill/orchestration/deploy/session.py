"""One deployment as a context: opens the rollout, logs its steps, and leaves its report in the Prefect UI."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Cancelled

from pagemill.config.run import read_settings
from pagemill.config.service import read_service_settings
from pagemill.config.smoke import read_smoke_settings
from pagemill.domain.service.deployment import Deployment, Outcome
from pagemill.extras import needs
from pagemill.orchestration.deploy.parameters import Action, DeployParameters
from pagemill.orchestration.deploy.report import link_log, report
from pagemill.rollout.rollout import Rollout
from pagemill.wiring.watching import Interruption

_PURPOSE = "pagemill deploy"


@dataclass(eq=False)
class DeploymentWatch(Interruption):
    """Shows the steps of one deployment, and interrupts it."""

    announce: Callable[[str], object] = lambda _: None  # called with a line about each step
    record: Deployment | None = None  # filled in as the steps run


_watch: ContextVar[DeploymentWatch | None] = ContextVar("watch", default=None)


@contextlib.contextmanager
def watching(watch: DeploymentWatch) -> Iterator[None]:
    """Let `watch` follow the deployment that starts in this context."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def watched() -> DeploymentWatch:
    """What follows the present deployment; nobody asks the one that a deployment on a Prefect worker gets."""
    return _watch.get() or DeploymentWatch()


@contextlib.asynccontextmanager
async def deployment(parameters: DeployParameters) -> AsyncIterator[Rollout]:
    """Open a rollout, inside a flow run. Its report is written whether it succeeds or fails.

    Raises:
        UsageError: A parameter or a setting is wrong, or Google Cloud's libraries are not installed.
    """
    log = get_run_logger()

    def announce(line: str) -> None:
        log.info(line)
        watched().announce(line)

    async def build_started(build_id: str, url: str) -> None:
        announce(f"build {build_id} has started; log: {url}")
        await link_log(build_id, url)

    with needs("deploy", _PURPOSE):
        from pagemill.orchestration.deploy.wiring import open_rollout  # noqa: PLC0415 -- needs the extra `deploy`

    read = read_smoke_settings if parameters.action is Action.SMOKE else read_service_settings
    settings = read(**parameters.overrides())
    announce(settings.where)
    async with open_rollout(
        settings,
        read_settings(),
        announce=announce,
        build_started=build_started,
        wait_for_idle=parameters.wait_for_idle,
        steps=parameters.steps,
    ) as rollout:
        watched().record = rollout.record
        try:
            yield rollout
        except (asyncio.CancelledError, TerminationSignal):
            rollout.record.outcome = Outcome.INTERRUPTED
            raise
        except BaseException as error:
            rollout.record.outcome = Outcome.FAILED
            rollout.record.error = str(error) or type(error).__name__
            raise
        finally:
            await report(rollout.record)


def interrupted(record: Deployment) -> State[Deployment]:
    """The final state of a deployment that was interrupted before its revision was promoted."""
    record.outcome = Outcome.INTERRUPTED
    if record.smoke:
        rest = record.left or ("its service is deleted" if record.deleted else "it had no service yet")
        return Cancelled(message=f"The smoke test was interrupted; {rest}.")
    return Cancelled(message="The deployment was interrupted; the previous revision keeps serving.")

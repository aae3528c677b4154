"""One deployment as a context: opens the rollout, logs its steps, and leaves its report in the Prefect UI."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar

from prefect.logging import get_run_logger

from pagemill.config.run import read_settings
from pagemill.config.service import read_service_settings
from pagemill.domain.service.deployment import Outcome
from pagemill.extras import needs
from pagemill.orchestration.deploy.parameters import DeployParameters
from pagemill.orchestration.deploy.report import link_log, report
from pagemill.rollout.rollout import Rollout

_PURPOSE = "pagemill deploy"

_listener: ContextVar[Callable[[str], object] | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def announcing(listener: Callable[[str], object]) -> Iterator[None]:
    """Let a caller show the steps of deployments that start inside this context.

    Args:
        listener: Called with a line about each step.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextlib.asynccontextmanager
async def deployment(parameters: DeployParameters) -> AsyncIterator[Rollout]:
    """Open a rollout, inside a flow run. Its report is written whether it succeeds or fails.

    Raises:
        UsageError: A parameter or a setting is wrong, or Google Cloud's libraries are not installed.
    """
    log = get_run_logger()

    def announce(line: str) -> None:
        log.info(line)
        if listener := _listener.get():
            listener(line)

    async def build_started(build_id: str, url: str) -> None:
        announce(f"build {build_id} has started; log: {url}")
        await link_log(build_id, url)

    with needs("deploy", _PURPOSE):
        from pagemill.orchestration.deploy.wiring import open_rollout  # noqa: PLC0415 -- needs the extra `deploy`

    settings = read_service_settings(**parameters.overrides())
    announce(settings.where)
    async with open_rollout(
        settings,
        read_settings(),
        announce=announce,
        build_started=build_started,
        wait_for_idle=parameters.wait_for_idle,
    ) as rollout:
        try:
            yield rollout
        except BaseException as error:
            rollout.record.outcome = Outcome.FAILED
            rollout.record.error = str(error) or type(error).__name__
            raise
        finally:
            await report(rollout.record)

"""Tasks of a deployment: what the Prefect UI lists and times. No retries: a step that fails has been undone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.flow_runs import apause_flow_run
from prefect.logging import get_run_logger

from pagemill.config.run import read_settings
from pagemill.config.service import read_service_settings
from pagemill.domain.service.deployment import Outcome
from pagemill.domain.service.plan import Candidate, Image
from pagemill.errors import UsageError
from pagemill.orchestration import service_url
from pagemill.orchestration.deploy.parameters import Approval, DeployParameters
from pagemill.orchestration.deploy.report import link_log, report
from pagemill.orchestration.deploy.wiring import open_rollout
from pagemill.rollout.rollout import Plan, Rollout

_APPROVAL_SECONDS = 24 * 3600
_APPROVAL_POLL_SECONDS = 2


_told: ContextVar[Callable[[str], object] | None] = ContextVar("told", default=None)


@contextlib.contextmanager
def announcing(tell: Callable[[str], object]) -> Iterator[None]:
    """Make deployments that start in this context say what they do, so that the caller can show it."""
    token = _told.set(tell)
    try:
        yield
    finally:
        _told.reset(token)


@contextlib.asynccontextmanager
async def deployment(parameters: DeployParameters) -> AsyncIterator[Rollout]:
    """A rollout whose page is left behind however it ends.

    Raises:
        UsageError: A parameter or a setting is wrong.
    """
    log = get_run_logger()

    def announce(what: str) -> None:
        log.info(what)
        if tell := _told.get():
            tell(what)

    async def build_started(build_id: str, url: str) -> None:
        announce(f"build {build_id} has started; log: {url}")
        await link_log(build_id, url)

    settings = read_service_settings(**parameters.overrides())
    async with open_rollout(settings, read_settings(), announce=announce, build_started=build_started) as rollout:
        try:
            yield rollout
        except BaseException as error:
            rollout.record.outcome = Outcome.FAILED
            rollout.record.error = str(error) or type(error).__name__
            raise
        finally:
            await report(rollout.record)


@task(
    name="check-project",
    description="APIs, permissions, accounts, bucket, repositories, quotas: all at once.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def check(rollout: Rollout) -> Plan:
    """Insist that the project has what it takes; say what would change."""
    plan = await rollout.plan()
    get_run_logger().info("%d fields change", len(plan.changes))
    return plan


@task(
    name="build-image",
    description="Nothing is built if there is an image of this source with these arguments.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def image_of(rollout: Rollout, plan: Plan) -> Image:
    """The image to deploy."""
    image = await rollout.image(plan)
    get_run_logger().info("%s %s", "built" if rollout.record.built else "there already:", image.reference)
    return image


@task(
    name="stage-revision",
    description="A revision with an URL of its own; what serves goes on serving.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def stage(rollout: Rollout, plan: Plan, image: Image) -> Candidate:
    """Make a revision, or take what serves if it is what is wanted."""
    return await rollout.stage(plan, image)


@task(
    name="stage-previous",
    description="The newest proven revision before the one that serves.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def stage_previous(rollout: Rollout, plan: Plan) -> Candidate:
    """Take an older revision."""
    return await rollout.stage_previous(plan)


@task(
    name="verify-revision",
    description="Closed to strangers, healthy, the right model, canary pages read well.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def verify(rollout: Rollout, candidate: Candidate) -> None:
    """Look at a revision as its callers will."""
    proof = await rollout.verify(candidate)
    get_run_logger().info("%d canary pages in %.1f s", len(proof.results), proof.canary_seconds)


@task(
    name="move-traffic",
    description="All requests go to the proven revision.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def promote(rollout: Rollout, candidate: Candidate) -> str:
    """Put a revision into service."""
    return await rollout.promote(candidate)


@task(
    name="publish-url",
    description="Batches find the service by the variable lightonocr_service_url.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def publish(url: str) -> None:
    """Publish the service's URL, last of all."""
    await service_url.publish(url)
    get_run_logger().info("published %s=%s", service_url.VARIABLE, url)


async def approved(parameters: DeployParameters, plan: Plan, image: Image) -> None:
    """Wait for somebody's approval in the UI, where that was asked for.

    Raises:
        UsageError: They said no.
    """
    if not parameters.approval:
        return
    what = "\n".join(f"- {change.path}: {change.before or '—'} → {change.after or '—'}" for change in plan.changes)
    asked = Approval.with_initial_data(description=f"Deploy {image.reference}?\n\n{what}")
    answer = await apause_flow_run(
        wait_for_input=asked, timeout=_APPROVAL_SECONDS, poll_interval=_APPROVAL_POLL_SECONDS
    )
    if not answer.approve:
        raise UsageError("the deployment was not approved; nothing has changed")

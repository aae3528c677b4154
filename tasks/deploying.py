"""Tasks of a deployment, as the Prefect UI lists and times them. No retries: a failed step has been undone already."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from pagemill.domain.service.plan import Candidate, Image
from pagemill.orchestration import service_url
from pagemill.rollout.rollout import Plan, Rollout


@task(
    name="check-project",
    description="APIs, permissions, accounts, bucket, repositories and quotas. All problems are reported together.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def check(rollout: Rollout) -> Plan:
    """Check the project; return what would change."""
    plan = await rollout.plan()
    count = len(plan.changes)
    get_run_logger().info("%d %s", count, "field changes" if count == 1 else "fields change")
    return plan


@task(
    name="build-image",
    description="Builds nothing if there is an image of this source with these arguments.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def image_of(rollout: Rollout, plan: Plan) -> Image:
    """Return the image to deploy."""
    image = await rollout.image(plan)
    get_run_logger().info("%s: %s", "built" if rollout.record.built else "image exists", image.reference)
    return image


@task(
    name="wait-for-idle",
    description="If asked to: waits until the revision that serves has no instance. A small quota has no room for two.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def wait_for_idle(rollout: Rollout, plan: Plan, image: Image | None) -> None:
    """Wait until another revision has room."""
    await rollout.wait_for_idle(plan, image=image)


@task(
    name="stage-revision",
    description="Creates a revision with its own URL and no traffic. The previous revision keeps serving.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def stage(rollout: Rollout, plan: Plan, image: Image) -> Candidate:
    """Create a revision, or take the one that serves if it is the desired one."""
    return await rollout.stage(plan, image)


@task(
    name="stage-previous",
    description="Chooses the verified revision that is asked for, or the newest one before the one that serves.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def stage_previous(rollout: Rollout, plan: Plan, revision: str) -> Candidate:
    """Choose the revision to roll back to."""
    return await rollout.stage_previous(plan, revision)


@task(
    name="verify-revision",
    description="Refuses unauthenticated callers, is healthy, serves the right model, reads the canary pages.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def verify(rollout: Rollout, candidate: Candidate) -> None:
    """Verify a revision the way its callers use it."""
    result = await rollout.verify(candidate)
    get_run_logger().info("%d canary pages in %.1f s", len(result.results), result.canary_seconds)


@task(
    name="shift-traffic",
    description="If asked to: sends more and more requests to the revision while its errors and its latency are good.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def shift(rollout: Rollout, plan: Plan, candidate: Candidate) -> None:
    """Send requests to a verified revision in steps."""
    await rollout.shift(plan, candidate)


@task(
    name="move-traffic",
    description="Sends all requests to the verified revision.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def promote(rollout: Rollout, candidate: Candidate) -> str:
    """Promote a revision; return the service's URL."""
    return await rollout.promote(candidate)


@task(
    name="publish-url",
    description="Batches find the service by the variable lightonocr_service_url.",
    persist_result=False,
    cache_policy=NO_CACHE,
)
async def publish(url: str) -> None:
    """Publish the service's URL. This is the last step."""
    await service_url.publish(url)
    get_run_logger().info("published %s=%s", service_url.VARIABLE, url)

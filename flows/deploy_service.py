"""The flow that builds, deploys, verifies and publishes the GPU service."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from pagemill.domain.service.deployment import Deployment
from pagemill.orchestration.deploy.approval import approved
from pagemill.orchestration.deploy.parameters import Action, DeployParameters
from pagemill.orchestration.deploy.session import deployment, interrupted, watched
from pagemill.orchestration.termination import terminated_by_sigterm
from pagemill.tasks.deploying import (
    check,
    image_of,
    promote,
    publish,
    shift,
    stage,
    stage_previous,
    verify,
    wait_for_idle,
)


@flow(name="deploy-service", flow_run_name="{parameters.title}", persist_result=False)
async def deploy_service(parameters: DeployParameters) -> Deployment | State[Deployment]:
    """Build the image if it is new, deploy it as a revision without traffic, verify it, move the traffic, publish.

    A smoke test goes through the same steps with a small service of its own, publishes nothing, and deletes it.
    """
    async with terminated_by_sigterm(), deployment(parameters) as rollout:
        url = ""
        async with watched().interruptible():
            plan = await check(rollout)
            if parameters.action is Action.ROLL_BACK:
                await wait_for_idle(rollout, plan, None)
                async with rollout.restore_traffic_on_failure(plan):
                    candidate = await stage_previous(rollout, plan, parameters.revision)
                    await verify(rollout, candidate)
                    url = await promote(rollout, candidate)
            else:
                image = await image_of(rollout, plan)
                await approved(parameters, plan, image)
                await wait_for_idle(rollout, plan, image)
                undone = rollout.deleted_afterwards if rollout.record.smoke else rollout.restore_traffic_on_failure
                async with undone(plan) as begun:
                    candidate = await stage(rollout, begun, image)
                    await verify(rollout, candidate)
                    await shift(rollout, begun, candidate)
                    url = await promote(rollout, candidate)
        if not url:
            return interrupted(rollout.record)
        if not rollout.record.smoke:
            await publish(url)
        return rollout.finish(rolled_back=parameters.action is Action.ROLL_BACK)

"""The other job: the GPU service, built, deployed, proven and published."""

from __future__ import annotations

from prefect import flow

from pagemill.domain.service.deployment import Deployment
from pagemill.orchestration.deploy.parameters import Action, DeployParameters
from pagemill.tasks.deploying import (
    approved,
    check,
    deployment,
    image_of,
    promote,
    publish,
    stage,
    stage_previous,
    verify,
)


@flow(name="deploy-service", flow_run_name="{parameters.action.value} the GPU service", persist_result=False)
async def deploy_service(parameters: DeployParameters) -> Deployment:
    """Build the image if it is new, deploy it beside what serves, prove it, then let it serve and publish its URL."""
    async with deployment(parameters) as rollout:
        plan = await check(rollout)
        if parameters.action is Action.ROLL_BACK:
            async with rollout.restore_traffic_on_failure(plan):
                candidate = await stage_previous(rollout, plan)
                await verify(rollout, candidate)
                url = await promote(rollout, candidate)
        else:
            image = await image_of(rollout, plan)
            await approved(parameters, plan, image)
            async with rollout.restore_traffic_on_failure(plan):
                candidate = await stage(rollout, plan, image)
                await verify(rollout, candidate)
                url = await promote(rollout, candidate)
        await publish(url)
        return rollout.finish(rolled_back=parameters.action is Action.ROLL_BACK)

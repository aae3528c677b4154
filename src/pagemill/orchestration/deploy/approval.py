"""Pauses a deployment until somebody approves it in the Prefect UI."""

from __future__ import annotations

from prefect.flow_runs import apause_flow_run

from pagemill.domain.service.plan import Image
from pagemill.errors import UsageError
from pagemill.orchestration.deploy.parameters import Approval, DeployParameters
from pagemill.rollout.rollout import Plan

_TIMEOUT_SECONDS = 24 * 3600
_POLL_SECONDS = 2


async def approved(parameters: DeployParameters, plan: Plan, image: Image) -> None:
    """Wait for an approval in the UI, if the parameters ask for one.

    Raises:
        UsageError: The answer was no.
    """
    if not parameters.approval:
        return
    what = "\n".join(f"- {change.path}: {change.before or '—'} → {change.after or '—'}" for change in plan.changes)
    asked = Approval.with_initial_data(description=f"Deploy {image.reference}?\n\n{what}")
    answer = await apause_flow_run(wait_for_input=asked, timeout=_TIMEOUT_SECONDS, poll_interval=_POLL_SECONDS)
    if not answer.approve:
        raise UsageError("the deployment was not approved; nothing has changed")

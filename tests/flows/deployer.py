"""Runs the deploy flow against a project on loopback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State

from pagemill.domain.service.deployment import Deployment
from pagemill.flows.deploy_service import deploy_service
from pagemill.orchestration.deploy.parameters import DeployParameters
from tests.fakes.google_cloud.cloud import GoogleCloud


@dataclass
class Deployer:
    """Runs deployments, and checks how they end."""

    cloud: GoogleCloud

    async def run(self, **parameters: Any) -> tuple[State[Deployment], Any]:
        state: Any = await deploy_service(DeployParameters(**parameters), return_state=True)
        return state, await state.aresult(raise_on_failure=False)

    async def deploy(self, **parameters: Any) -> Deployment:
        """Deploy, which must succeed."""
        state, record = await self.run(**parameters)
        assert state.is_completed(), record
        assert isinstance(record, Deployment)
        return record

    async def fail(self, **parameters: Any) -> str:
        """Deploy, which must fail; return the error message."""
        state, error = await self.run(**parameters)
        assert state.is_failed(), error
        return str(error)

    @property
    def serving(self) -> str:
        return self.cloud.run.serving(self.cloud.service)

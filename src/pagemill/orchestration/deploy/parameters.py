"""The parameters of a deployment. In the Prefect UI this model is the form."""

from __future__ import annotations

from enum import StrEnum

from prefect.input import RunInput
from pydantic import BaseModel, Field, field_validator

from pagemill.domain.service.load import traffic_steps
from pagemill.wiring.forms import form_field


class Action(StrEnum):
    """What to do with the service."""

    DEPLOY = "deploy"
    ROLL_BACK = "rollback"
    SMOKE = "smoke"


class DeployParameters(BaseModel, frozen=True, extra="forbid"):
    """Build, deploy and verify the GPU service; all other settings are the worker's PAGEMILL_SERVICE_ variables."""

    action: Action = form_field(
        Action.DEPLOY,
        position=0,
        title="Action",
        description="deploy: a revision with the current source and settings; rollback: the previous verified "
        "revision; smoke: a small service of its own without a GPU, which is deleted again, to try the project",
    )
    project: str = form_field(
        "", position=1, title="Project", description="Google Cloud project; empty: GOOGLE_CLOUD_PROJECT"
    )
    region: str = form_field(
        "", position=2, title="Region", description="Cloud Run region; empty: PAGEMILL_SERVICE_REGION"
    )
    max_instances: int = form_field(
        0,
        position=3,
        ge=0,
        le=100,
        title="Maximum instances",
        description="each has an L4, and by default 8 vCPU and 32 GiB; 0: PAGEMILL_SERVICE_MAX_INSTANCES",
    )
    cpu: int = form_field(
        0, position=4, ge=0, le=8, title="vCPU", description="of an instance: 4, 6 or 8; 0: PAGEMILL_SERVICE_CPU"
    )
    memory_gib: int = form_field(
        0,
        position=5,
        ge=0,
        le=32,
        title="Memory",
        description="of an instance, in GiB: 16 to 32; at most 16 with 4 vCPU; 0: PAGEMILL_SERVICE_MEMORY_GIB",
    )
    wait_for_idle: bool = form_field(
        False,
        position=6,
        title="Wait until the present revision has no instance",
        description="for a quota without room for two: it is stopped 10 to 15 minutes after its last request",
    )
    revision: str = form_field(
        "",
        position=7,
        pattern=r"^[a-z0-9-]*$",
        title="Revision",
        description="for rollback: a verified revision, as `pagemill status` lists them; empty: the previous one",
    )
    canary: str = form_field(
        "",
        position=8,
        title="Gradual traffic",
        description="for deploy: growing percents of the requests, as in 5,50,100, each watched for errors and "
        "latency; empty: all requests at once",
    )
    approval: bool = form_field(
        False,
        position=9,
        title="Ask before deploying",
        description="pause after the image is built, until somebody resumes the run in this UI",
    )

    @field_validator("canary")
    @classmethod
    def _check_steps(cls, canary: str) -> str:
        traffic_steps(canary)
        return canary

    @property
    def steps(self) -> tuple[int, ...]:
        """The percents of gradual traffic."""
        return traffic_steps(self.canary)

    @property
    def title(self) -> str:
        """The name of the flow run."""
        return "smoke test of the project" if self.action is Action.SMOKE else f"{self.action.value} the GPU service"

    def overrides(self) -> dict[str, object]:
        """Settings that replace those of the environment; None: keep the environment's."""
        return {
            "project": self.project or None,
            "region": self.region or None,
            "max_instances": self.max_instances or None,
            "cpu": self.cpu or None,
            "memory_gib": self.memory_gib or None,
        }


class Approval(RunInput):
    """The approval that is asked for before a revision is deployed."""

    approve: bool = Field(False, title="Deploy it", description="otherwise the run ends here, and nothing is changed")

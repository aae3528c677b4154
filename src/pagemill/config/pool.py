"""The settings of where runs are executed, and of what is registered for them on the Prefect server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pagemill.config.run import read

_LOCATION = r"^(gs://.+|/.+)?$"


class PoolSettings(BaseSettings):
    """Work pools, the nightly run, and who is notified. Frozen once read."""

    model_config = SettingsConfigDict(env_prefix="PAGEMILL_POOL_", frozen=True, extra="ignore", allow_inf_nan=False)

    kind: Literal["local-process", "cloud-run"] = Field(
        "local-process", description="work pool of the deployments: processes beside a worker, or Cloud Run jobs"
    )
    project: str = Field("", validation_alias="GOOGLE_CLOUD_PROJECT", description="Google Cloud project of the jobs")
    region: str = Field(
        "europe-west4", pattern=r"^[a-z]+-[a-z]+[0-9]+$", description="region of the jobs: that of the buckets"
    )
    image: str = Field(
        "",
        pattern=r"^(\S+@sha256:[0-9a-f]{64})?$",
        description="image of the jobs by digest, as infra/batch_runner builds it; empty: no cloud-run pool",
    )
    account: str = Field("", description="account that jobs run as; empty: pagemill-worker@PROJECT…")
    cpu: int = Field(4, ge=1, le=8, description="vCPU of a job; each has a worker that renders pages")
    memory_gib: int = Field(8, ge=2, le=32, description="memory of a job in GiB; a render worker takes 2 at most")
    timeout_seconds: int = Field(
        21600, ge=600, le=604800, description="longest job in seconds; the next run continues one that was stopped"
    )
    network: str = Field(
        "", description="VPC network that jobs send through, for a Prefect server or a service inside it"
    )
    subnetwork: str = Field("", description="its subnetwork; empty: the one of the region")
    api_auth_secret: str = Field(
        "",
        description="Secret Manager secret with the Prefect server's auth string; its content is never part of a job",
    )
    nightly_source: str = Field(
        "", pattern=_LOCATION, description="what ocr-batch/nightly reads; empty: it is switched off"
    )
    nightly_destination: str = Field("", pattern=_LOCATION, description="where ocr-batch/nightly writes")
    notification_block: str = Field(
        "",
        pattern=r"^([a-z0-9-]+/[a-z0-9-]+)?$",
        description="Prefect block that is notified of failed and late runs, TYPE/NAME as in slack-webhook/ops",
    )
    credentials_block: str = Field(
        "", pattern="^[a-z0-9-]*$", description="GcpCredentials block to make, with the machine's own credentials"
    )
    bucket_block: str = Field("", pattern="^[a-z0-9-]*$", description="GcsBucket block to make, for bucket_name")
    bucket_name: str = Field("", description="bucket of bucket_block")

    @property
    def runs_as(self) -> str:
        """E-mail of the account that jobs run as."""
        return self.account or f"pagemill-worker@{self.project}.iam.gserviceaccount.com"

    @property
    def nightly(self) -> bool:
        """Whether the nightly run has a source and a destination."""
        return bool(self.nightly_source and self.nightly_destination)


def read_pool_settings(**overrides: object) -> PoolSettings:
    """Read settings from environment variables.

    Args:
        overrides: Values by field name that replace those of the environment; None: keep the environment's.

    Raises:
        UsageError: A variable holds an invalid value; the message names every such variable.
    """
    return read(PoolSettings, **overrides)

"""The settings of `pagemill watch`: which uploads, and when they become a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pagemill.config.run import assert_loopback, read
from pagemill.errors import UsageError

_SUBSCRIPTION = r"^((projects/[a-z][a-z0-9:.-]+/subscriptions/)?[A-Za-z][A-Za-z0-9._~+%-]{2,254})?$"


class WatchSettings(BaseSettings):
    """What is watched, and how uploads are gathered. Frozen once read."""

    model_config = SettingsConfigDict(env_prefix="PAGEMILL_WATCH_", frozen=True, extra="ignore", allow_inf_nan=False)

    subscription: str = Field(
        "",
        pattern=_SUBSCRIPTION,
        description="Pub/Sub subscription of the bucket's notifications: its id, or projects/PROJECT/subscriptions/ID",
    )
    project: str = Field(
        "", validation_alias="GOOGLE_CLOUD_PROJECT", description="Google Cloud project of a subscription without one"
    )
    destination: str = Field(
        "",
        pattern=r"^(gs://.+|/.+)?$",
        description="where the results go, and the lists of uploads; a document gets the folder BUCKET/OBJECT in it",
    )
    bucket: str = Field("", description="uploads to any other bucket are passed over; empty: to none")
    documents: int = Field(1000, ge=1, le=10_000, description="uploads in a run, at most")
    seconds: float = Field(60.0, gt=0, le=3600, description="time from the first upload of a run to its start, at most")
    deployment: str = Field(
        "ocr-batch/on-upload", pattern="^[^/]+/[^/]+$", description="Prefect deployment that reads the uploads"
    )
    emulator_host: Annotated[str, AfterValidator(assert_loopback)] = Field(
        "", validation_alias="PUBSUB_EMULATOR_HOST", description="host:port of a Pub/Sub emulator; loopback only"
    )

    @property
    def configured(self) -> bool:
        """Whether it is known what to watch."""
        return bool(self.subscription and self.destination)

    @property
    def subscription_name(self) -> str:
        """The subscription's whole name.

        Raises:
            UsageError: Its project is not known.
        """
        if "/" in self.subscription:
            return self.subscription
        if not self.project:
            raise UsageError(
                f"the project of the subscription '{self.subscription}' is not known; type: "
                "export GOOGLE_CLOUD_PROJECT=PROJECT, or write projects/PROJECT/subscriptions/ID"
            )
        return f"projects/{self.project}/subscriptions/{self.subscription}"


def read_watch_settings(**overrides: str) -> WatchSettings:
    """Read settings from environment variables.

    Args:
        overrides: Values by field name that replace those of the environment; empty: keep the environment's.

    Raises:
        UsageError: Some are invalid, and the message names all of them; or it is not known what to watch.
    """
    settings = read(WatchSettings, **{name: value or None for name, value in overrides.items()})
    if not settings.configured:
        raise UsageError(
            "it is not known what to watch; give --subscription and --destination, or set PAGEMILL_WATCH_SUBSCRIPTION "
            "and PAGEMILL_WATCH_DESTINATION"
        )
    return settings

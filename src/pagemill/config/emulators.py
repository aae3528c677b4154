"""Where Google Cloud's services are in tests: emulators on this machine, with the names that their clients know."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from pagemill.config.run import assert_loopback

EmulatorHost = Annotated[str, AfterValidator(assert_loopback)]


class EmulatorSettings(BaseSettings):
    """A host and port for each service; empty: Google's own."""

    run_emulator_host: EmulatorHost = Field(
        "", validation_alias="RUN_EMULATOR_HOST", description="host:port of a Cloud Run emulator; loopback only"
    )
    build_emulator_host: EmulatorHost = Field(
        "",
        validation_alias="CLOUDBUILD_EMULATOR_HOST",
        description="host:port of a Cloud Build emulator; loopback only",
    )
    registry_emulator_host: EmulatorHost = Field(
        "",
        validation_alias="ARTIFACTREGISTRY_EMULATOR_HOST",
        description="host:port of an Artifact Registry emulator; loopback only",
    )
    monitoring_emulator_host: EmulatorHost = Field(
        "",
        validation_alias="MONITORING_EMULATOR_HOST",
        description="host:port of an emulator of Cloud Monitoring; loopback only",
    )
    logging_emulator_host: EmulatorHost = Field(
        "",
        validation_alias="LOGGING_EMULATOR_HOST",
        description="host:port of an emulator of Cloud Logging; loopback only",
    )
    project_emulator_host: EmulatorHost = Field(
        "",
        validation_alias="PROJECT_EMULATOR_HOST",
        description="host:port of an emulator of IAM, Resource Manager and Service Usage; loopback only",
    )

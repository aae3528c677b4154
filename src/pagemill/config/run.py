"""The settings of runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pagemill.config.invalid import invalid_values
from pagemill.config.processors import processors
from pagemill.config.urls import LOOPBACK, split_url
from pagemill.domain.pages.sizes import MOST_PIECES
from pagemill.domain.service.cost import SERVICE_USD_PER_SECOND
from pagemill.domain.service.endpoint_url import checked
from pagemill.errors import UsageError

GIB = 2**30
_WEEK = 7 * 24 * 3600.0


def assert_loopback(url: str) -> str:
    """Refuse an emulator on another machine: a forgotten variable must not redirect production."""
    host = split_url(url if "://" in url else f"//{url}").hostname if url else None
    if url and host not in LOOPBACK:
        raise ValueError(f"is at {host}, and an emulator must be at a loopback address")
    return url


def _check_service_url(url: str) -> str:
    checked(url, name="LIGHTONOCR_SERVICE_URL")  # its error passes through pydantic as it is, without the value
    return url


Kind = TypeVar("Kind", bound=BaseSettings)


class Settings(BaseSettings):
    """Where things are and how long to wait; what to read is in a run's parameters. Frozen once read."""

    model_config = SettingsConfigDict(env_prefix="PAGEMILL_", frozen=True, extra="ignore", allow_inf_nan=False)

    service_url: Annotated[str, AfterValidator(_check_service_url)] = Field(
        "", validation_alias="LIGHTONOCR_SERVICE_URL", description="URL of the OCR service; empty: the embedded one"
    )
    api_key: SecretStr = Field(SecretStr(""), description="bearer token for an endpoint that requires one")
    api_key_to: str = Field(
        "", description="URL of the only endpoint that gets PAGEMILL_API_KEY; empty: whichever a run names"
    )
    api_key_over_http: bool = Field(
        False, description="send PAGEMILL_API_KEY over http:// to another machine: anybody on the way can read it"
    )
    identity_tokens_to: str = Field(
        "",
        description="URL of an endpoint outside run.app that gets identity tokens; its origin is their audience",
    )
    model: str = Field("lightonai/LightOnOCR-2-1B", description="model to ask the endpoint for")
    model_revision: str = Field("", description="revision of the model's weights; part of the recipe")
    prompt: str = Field("", description="text sent with each image; LightOnOCR needs none")
    max_tokens: int = Field(4096, ge=1, le=2**20, description="longest answer of the first try, in tokens")
    context_tokens: int = Field(8192, ge=1, le=2**20, description="the model's window in tokens; bounds the second try")
    longest_edge_px: int = Field(1540, ge=200, le=4096, description="longest side of a page image, in pixels")
    max_dpi: int = Field(300, ge=50, le=1200, description="highest resolution a small page is rendered at")
    max_pieces: int = Field(
        32, ge=1, le=MOST_PIECES, description="images that a page too long or too large for one is cut into, at most"
    )
    render_workers: int = Field(
        default_factory=lambda: min(processors(), 8), ge=1, le=64, description="processes that render pages"
    )
    witness_workers: int = Field(
        1, ge=0, le=64, description="processes that look for text on pages that may be blank; 0: nobody looks"
    )
    page_seconds: float = Field(30.0, gt=0, le=_WEEK, description="longest time a page may take to render, in seconds")
    render_memory_gib: float = Field(2.0, ge=1, le=1024, description="address space of a render worker, in GiB")
    ahead_mib: int = Field(64, ge=1, le=2**20, description="page images rendered ahead of sending, in MiB")
    wake_seconds: float = Field(
        900.0, gt=0, le=_WEEK, description="how long the endpoint may take to get ready, in seconds"
    )
    silence_seconds: float = Field(
        1800.0, gt=0, le=_WEEK, description="how long it may fail without reading a page, in seconds"
    )
    answer_seconds: float = Field(
        300.0,
        gt=0,
        le=_WEEK,
        description="how long the endpoint may take for a page, from the connection to the last byte, in seconds",
    )
    suspects_fail: bool = Field(False, description="a run with suspects (pages with a low score) ends with exit code 3")
    local_engine: Literal["auto", "rapidocr", "tesseract"] = Field("auto", description="engine of the embedded service")
    usd_per_second: float = Field(
        SERVICE_USD_PER_SECOND,
        ge=0,
        le=1000,
        description="price of a busy service, in USD a second; 0 for the embedded one",
    )
    tessdata_prefix: Path | None = Field(
        None, validation_alias="TESSDATA_PREFIX", description="folder of Tesseract's language data"
    )
    largest_pdf_mib: int = Field(1024, ge=1, le=2**20, description="larger objects in a bucket are refused, in MiB")
    open_mib: int = Field(
        256,
        ge=1,
        le=2**20,
        description="temporary space for PDFs from buckets and for repaired copies, in MiB; two may exceed it",
    )
    google_cloud_project: str = Field(
        "",
        validation_alias="GOOGLE_CLOUD_PROJECT",
        description="Google Cloud project; not needed to read and write objects",
    )
    gcp_credentials_block: str = Field(
        "", description="Prefect's GcpCredentials block with a service account's key; empty: the machine's credentials"
    )
    storage_emulator_host: Annotated[str, AfterValidator(assert_loopback)] = Field(
        "", validation_alias="STORAGE_EMULATOR_HOST", description="URL of a GCS emulator; loopback addresses only"
    )
    concurrency_limit: str = Field(
        "lightonocr-endpoint",
        min_length=1,
        description="Prefect's global concurrency limit that caps the pages at the endpoint over all runs",
    )
    shard_deployment: str = Field(
        "ocr-shard/worker", pattern="^[^/]+/[^/]+$", description="Prefect deployment that reads the shards of a run"
    )
    prefect_api_url: str = Field(
        "", validation_alias="PREFECT_API_URL", description="Prefect server; empty: runs read without Prefect"
    )


def read(kind: type[Kind], /, **overrides: object) -> Kind:
    """Read settings from environment variables.

    Args:
        kind: The class of the settings.
        overrides: Values by field name that replace those of the environment; None: keep the environment's.

    Raises:
        UsageError: A variable or an override is invalid; the message names every such one.
    """
    given: dict[str, Any] = {_input_name(kind, name): value for name, value in overrides.items() if value is not None}
    try:
        return kind(**given)
    except ValidationError as error:
        raise UsageError(f"the {_origin(error, given)} wrong: {described(error, kind)}") from None


def _input_name(kind: type[BaseSettings], name: str) -> str:
    """The name that a field is set by. A field with a variable of its own ignores its own name without a word."""
    return str(kind.model_fields[name].validation_alias or name)


def _origin(error: ValidationError, given: Mapping[str, object]) -> str:
    invalid = {str(problem["loc"][0]) if problem["loc"] else "" for problem in error.errors(include_url=False)}
    return "options are" if invalid <= given.keys() else "environment is"


def read_settings(**overrides: object) -> Settings:
    """Read settings from environment variables.

    Args:
        overrides: Values by field name that replace those of the environment; None: keep the environment's.

    Raises:
        UsageError: A variable holds an invalid value; the message names every such variable.
    """
    return read(Settings, **overrides)


def described(error: ValidationError, of: type[BaseSettings]) -> str:
    """Say which variables are invalid, and why."""
    return "; ".join(f"{_variable(name, value, of)}{words}" for name, value, words in invalid_values(error, of))


def _variable(name: str, value: str, of: type[BaseSettings]) -> str:
    """The variable and its value; empty if several variables together are invalid."""
    if not name:
        return ""
    return f"{name if name.isupper() else of.model_config['env_prefix'] + name.upper()}={value!r} "

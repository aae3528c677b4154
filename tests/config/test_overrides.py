"""An option of a command is stronger than the variable of the same setting, for every setting there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from pagemill.config.lists import ContainerVariable
from pagemill.config.pool import PoolSettings, read_pool_settings
from pagemill.config.run import Settings, read, read_settings
from pagemill.config.service import ServiceSettings, read_service_settings
from pagemill.config.watch import WatchSettings
from pagemill.errors import UsageError

_KINDS: tuple[type[BaseSettings], ...] = (Settings, ServiceSettings, PoolSettings, WatchSettings)
_EXAMPLES: dict[str, tuple[Any, Any]] = {  # two values of a text that has to have a form
    "service_url": ("https://a.example.com", "https://b.example.com"),
    "storage_emulator_host": ("http://127.0.0.1:1", "http://127.0.0.1:2"),
    "prefect_api_url": ("http://127.0.0.1:1/api", "http://127.0.0.1:2/api"),
    "project": ("acme-production", "acme-staging"),
    "region": ("europe-west4", "us-central1"),
    "image": (f"a@sha256:{'0' * 64}", f"b@sha256:{'1' * 64}"),
    "model_revision": ("0" * 40, "1" * 40),
    "model_sha256": ("0" * 64, "1" * 64),
    "shard_deployment": ("a/b", "c/d"),
    "nightly_source": ("gs://a/b", "gs://c/d"),
    "nightly_destination": ("gs://a/b", "gs://c/d"),
    "subscription": ("uploads", "projects/my-project/subscriptions/scans"),
    "destination": ("gs://a/b", "gs://c/d"),
    "deployment": ("a/b", "c/d"),
    "emulator_host": ("127.0.0.1:1", "127.0.0.1:2"),
    "notification_block": ("slack-webhook/a", "slack-webhook/b"),
}
_NUMBERS: dict[str, tuple[Any, Any]] = {
    "cpu": (4, 8),
    "memory_gib": (16, 24),
    "concurrency": (16, 32),
    "readiness_period_seconds": (15, 30),
}


def _examples(name: str, field: FieldInfo) -> tuple[Any, Any]:
    """Two valid values of a field: one for the environment, one for the override."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return get_args(kind)[0], get_args(kind)[-1]
    if name.endswith("_emulator_host"):
        return "127.0.0.1:1", "127.0.0.1:2"
    examples: dict[Any, tuple[Any, Any]] = {
        str: _EXAMPLES.get(name, ("a", "b")),
        bool: (False, True),
        int: _NUMBERS.get(name, _two_numbers(field)),
        float: _two_numbers(field),
        tuple[ContainerVariable, ...]: (("A=1",), ("B=2",)),
        tuple[str, ...]: (("user:a@example.com",), ("user:b@example.com",)),
        Path | None: (Path("a"), Path("b")),
        SecretStr: (SecretStr("a"), SecretStr("b")),
    }
    return examples[kind]


def _two_numbers(field: FieldInfo) -> tuple[Any, Any]:
    """The default, and half of it or one more, whatever the bounds allow."""
    default = field.get_default(call_default_factory=True)
    if not isinstance(default, int | float):
        return 0, 0
    low = next((limit.ge for limit in field.metadata if getattr(limit, "ge", None) is not None), 0)
    return default, default / 2 if isinstance(default, float) else default - 1 if default > low else default + 1


def _as_variable(value: Any) -> str:
    if isinstance(value, tuple):
        return json.dumps(value)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in _KINDS for name in kind.model_fields],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_override_replaces_what_the_environment_says(
    kind: type[BaseSettings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = kind.model_fields[name]
    of_the_environment, override = _examples(name, field)
    variable = str(field.validation_alias or f"{kind.model_config['env_prefix']}{name.upper()}")
    monkeypatch.setenv("PAGEMILL_SERVICE_MEMORY_GIB", "16")  # which any number of vCPU may have
    monkeypatch.setenv(variable, _as_variable(of_the_environment))

    assert getattr(read(kind), name) == of_the_environment
    assert getattr(read(kind, **{name: override}), name) == override
    assert getattr(read(kind, **{name: None}), name) == of_the_environment


def test_the_project_of_the_command_line_is_the_one_that_is_deployed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-production")

    service = read_service_settings(project="acme-staging")

    assert (service.project, service.bucket) == ("acme-staging", "acme-staging-pagemill-source")
    assert service.runtime == "pagemill-run@acme-staging.iam.gserviceaccount.com"
    assert read_pool_settings(project="acme-staging").runs_as.endswith("@acme-staging.iam.gserviceaccount.com")
    assert read_settings(google_cloud_project="acme-staging").google_cloud_project == "acme-staging"


def test_an_override_is_enough_where_no_project_is_set() -> None:
    assert read_service_settings(project="acme-staging").project == "acme-staging"


def test_a_wrong_override_is_not_called_a_fault_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-production")

    with pytest.raises(UsageError, match=r"^the options are wrong: PAGEMILL_SERVICE_REGION='mars'"):
        read_service_settings(region="mars")
    with pytest.raises(UsageError, match=r"^the options are wrong: GOOGLE_CLOUD_PROJECT='Acme'"):
        read_service_settings(project="Acme")

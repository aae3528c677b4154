from __future__ import annotations

import pytest

from pagemill.config.service import ServiceSettings, read_service_settings
from pagemill.errors import UsageError


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")


def test_the_defaults_are_the_specification() -> None:
    settings = read_service_settings()

    assert (settings.cpu, settings.memory_gib, settings.accelerator) == (8, 32, "nvidia-l4")
    assert (settings.min_instances, settings.max_instances) == (0, 3)
    assert (settings.gpu_memory_utilization, settings.max_num_seqs) == (0.8, 8)
    assert settings.ingress == "all"
    assert not settings.zonal_redundancy


def test_eight_in_flight_do_not_start_a_second_gpu() -> None:
    assert read_service_settings().concurrency * 0.6 > 8


def test_the_startup_probe_covers_a_cold_start() -> None:
    assert read_service_settings().startup_seconds >= 600


def test_accounts_and_bucket_are_derived_from_the_project() -> None:
    settings = read_service_settings()

    assert settings.runtime == "pagemill-run@my-project.iam.gserviceaccount.com"
    assert settings.builder == "pagemill-build@my-project.iam.gserviceaccount.com"
    assert settings.bucket == "my-project-pagemill-source"
    assert "serviceAccount:pagemill-caller@my-project.iam.gserviceaccount.com" in settings.members


def test_the_invokers_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_SERVICE_INVOKERS", '["user:a@example.com"]')

    assert read_service_settings().members == ("user:a@example.com",)


@pytest.mark.parametrize("variable", ["PAGEMILL_SERVICE_INVOKERS", "PAGEMILL_SERVICE_ENVIRONMENT"])
@pytest.mark.parametrize("value", ["x", "{}", '"A=1"', "[1]", "[" * 10_000, "\u00b2"])
def test_what_is_no_json_list_of_texts_is_named_with_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv(variable, value)

    with pytest.raises(UsageError, match=f"the environment is wrong: {variable}='.* must be a JSON list of texts"):
        read_service_settings()


def test_a_value_of_the_run_replaces_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_INSTANCES", "2")

    assert read_service_settings().max_instances == 2
    assert read_service_settings(max_instances=1, region=None).max_instances == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CPU", "2", "PAGEMILL_SERVICE_CPU='2'"),
        ("CPU", "5", "PAGEMILL_SERVICE_CPU='5'"),
        ("CPU", "4", "memory_gib (32) is more than 4 vCPU may have (16)"),
        ("MEMORY_GIB", "64", "PAGEMILL_SERVICE_MEMORY_GIB"),
        ("ACCELERATOR", "nvidia-h100", "nvidia-l4"),
        ("STARTUP_PERIOD_SECONDS", "241", "240"),
        ("STARTUP_TIMEOUT_SECONDS", "11", "startup_timeout_seconds (11) is longer than startup_period_seconds (10)"),
        ("LIVENESS_TIMEOUT_SECONDS", "31", "liveness_timeout_seconds (31)"),
        ("MIN_INSTANCES", "4", "min_instances (4) is more than max_instances (3)"),
        ("CONCURRENCY", "4", "max_num_seqs (8)"),
        ("MODEL_REVISION", "main", "PAGEMILL_SERVICE_MODEL_REVISION='main'"),
        ("MODEL_SHA256", "abc", "PAGEMILL_SERVICE_MODEL_SHA256"),
        ("NAME", "Light_On", "PAGEMILL_SERVICE_NAME"),
        ("NAME", "a" * 38, "the name " + "a" * 38 + " has 38 characters, at most 37"),
        ("STARTUP_FAILURES", "181", "startup_failures (181) is 1810: Cloud Run gives a service with a GPU 1800 s"),
        ("ENVIRONMENT", '["PORT=1"]', "PORT is set by Cloud Run"),
        ("ENVIRONMENT", '["VLLM_SERVER_DEV_MODE=1"]', "would let every caller control the server"),
        ("ENVIRONMENT", '["A B=1"]', "'A B=1' is no NAME=VALUE"),
        ("REGION", "mars", "PAGEMILL_SERVICE_REGION"),
        ("INGRESS", "none", "PAGEMILL_SERVICE_INGRESS"),
    ],
)
def test_a_value_that_cloud_run_or_vllm_would_refuse_is_refused_here(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PAGEMILL_SERVICE_{name}", value)

    with pytest.raises(UsageError) as error:
        read_service_settings()

    assert said in str(error.value)


@pytest.mark.parametrize(
    "variable",
    [f"{name}_EMULATOR_HOST" for name in ("RUN", "CLOUDBUILD", "ARTIFACTREGISTRY", "PROJECT", "MONITORING")],
)
def test_an_emulator_on_another_machine_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "192.0.2.1:8080")

    with pytest.raises(UsageError, match=f"{variable}=.*loopback"):
        read_service_settings()


def test_without_a_project_the_variable_to_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")

    with pytest.raises(UsageError, match="export GOOGLE_CLOUD_PROJECT="):
        read_service_settings()


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in ServiceSettings.model_fields.values())

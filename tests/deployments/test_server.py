from __future__ import annotations

from typing import Any

import pytest
import yaml
from prefect.client.orchestration import PrefectClient
from prefect.settings import Settings

from pagemill.orchestration.server.advice import advice, advice_on
from tests.fakes.lasting_server import FOLDER, lasting_settings
from tests.fakes.prefect_server import PrefectServer


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    return found


def test_every_setting_is_one_that_prefect_knows() -> None:
    known = set(Settings().to_environment_variables(exclude_unset=False, include_aliases=True))

    assert set(lasting_settings()) - {"DO_NOT_TRACK"} <= known


def test_nothing_is_in_the_memory_of_one_process_where_there_are_several(services: dict[str, Any]) -> None:
    for name in ("api", "background", "migrations"):
        settings = services[name]["environment"]
        assert settings["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"] == "prefect_redis.lease_storage"
        assert settings["PREFECT_MESSAGING_BROKER"] == settings["PREFECT_MESSAGING_CACHE"] == "prefect_redis.messaging"
        assert settings["PREFECT_SERVER_EVENTS_CAUSAL_ORDERING"] == "prefect_redis.ordering"
        assert settings["PREFECT_API_DATABASE_CONNECTION_URL"].startswith("postgresql+asyncpg://")
        assert services[name]["env_file"] == "lasting.env"


def test_two_processes_answer_behind_one_proxy_and_one_runs_the_background_services(services: dict[str, Any]) -> None:
    assert services["api"]["deploy"]["replicas"] == 2
    assert "--no-services" in services["api"]["command"]
    assert services["background"]["command"] == "prefect server services start"
    assert services["proxy"]["ports"] == ["127.0.0.1:4200:4200"]
    assert not [name for name, service in services.items() if "ports" in service and name != "proxy"]


def test_no_password_is_written_down(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable or "AUTH" in variable or "CONNECTION_URL" in variable:
                assert "${" in value, (name, variable)


def test_every_image_has_a_version(services: dict[str, Any]) -> None:
    assert all(":" in service["image"] and "latest" not in service["image"] for service in services.values())


@pytest.mark.flow
async def test_a_server_as_it_comes_is_advised(client: PrefectClient) -> None:
    assert {given.variable.partition("=")[0] for given in await advice(client)} == {
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE",
    }


@pytest.mark.flow
async def test_a_server_that_lasts_needs_no_advice(lasting_server: PrefectServer) -> None:
    async with PrefectClient(lasting_server.url) as client:
        assert await advice(client) == []


def _settings(**values: str) -> dict[str, Any]:
    """Settings as a server tells them, of what several processes share."""
    memory = {
        "lease_storage": "prefect.server.concurrency.lease_storage.memory",
        "messaging_broker": "prefect.server.utilities.messaging.memory",
        "messaging_cache": "prefect.server.utilities.messaging.memory",
        "causal_ordering": "prefect.server.events.ordering.memory",
    }
    told = {**memory, **values}
    return {"concurrency": {"lease_storage": told.pop("lease_storage")}, "events": told}


_IN_REDIS = {
    "lease_storage": "prefect_redis.lease_storage",
    "messaging_broker": "prefect_redis.messaging",
    "messaging_cache": "prefect_redis.messaging",
    "causal_ordering": "prefect_redis.ordering",
}


@pytest.mark.parametrize("forgotten", _IN_REDIS)
def test_what_was_forgotten_to_be_put_into_redis_is_named_with_its_variable(forgotten: str) -> None:
    some = {name: module for name, module in _IN_REDIS.items() if name != forgotten}

    (given,) = advice_on(_settings(**some))

    assert given.subject == "several processes"
    assert given.variable.endswith(f"{forgotten.upper()}={_IN_REDIS[forgotten]}")


def test_a_server_that_has_all_in_redis_needs_no_advice() -> None:
    assert advice_on(_settings(**_IN_REDIS)) == []


def test_settings_that_a_server_does_not_tell_are_taken_for_well() -> None:
    assert advice_on({}) == []

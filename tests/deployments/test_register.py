"""Registering against a real Prefect server, through the command line's own code, as an operator does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableUpdate

from tests.deployments.operator import ROOT, Operator
from tests.fakes.metadata_server import MetadataServer

pytestmark = pytest.mark.flow

_CHANGES = {
    "id",
    "created",
    "updated",
    "created_by",
    "updated_by",
    "last_polled",
    "status",
    "default_queue_id",
    "version",
}
_CHANGES |= {"version_id", "version_info", "active_slots", "deployment_id", "block_document_id", "owner_resource"}


async def _state(client: PrefectClient) -> str:
    """All that is registered, without what differs from one reading to the next."""
    found: dict[str, Sequence[Any]] = {
        "deployments": await client.read_deployments(),
        "pools": await client.read_work_pools(),
        "variables": await client.read_variables(),
        "automations": await client.read_automations(),
        "limits": await client.read_global_concurrency_limits(limit=10, offset=0),
    }
    dumped: dict[str, list[dict[str, Any]]] = {
        kind: [thing.model_dump(mode="json") for thing in things] for kind, things in found.items()
    }
    for things in dumped.values():
        things.sort(key=lambda thing: str(thing["name"]))
    return json.dumps(_settled(dumped), sort_keys=True, indent=1)


def _settled(value: Any) -> Any:
    match value:
        case dict():
            return {key: _settled(inner) for key, inner in value.items() if key not in _CHANGES}
        case list():
            settled = [_settled(inner) for inner in value]
            return sorted(settled) if all(isinstance(inner, str) for inner in settled) else settled
    return value


async def test_registering_and_deploying_again_changes_nothing(operator: Operator, client: PrefectClient) -> None:
    states = []
    for _ in range(2):
        registered = await operator.registers()
        assert registered.returncode == 0, registered.stderr
        deployed = await operator.types("prefect", "--no-prompt", "deploy", "--all")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        states.append(await _state(client))

    assert states[0] == states[1]
    names = {f"{deployment.name}" for deployment in await client.read_deployments()}
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert names == {deployment["name"] for deployment in declared}
    assert "up to date" in (await operator.registers()).stdout


async def test_the_check_says_what_differs_and_changes_nothing(operator: Operator, client: PrefectClient) -> None:
    before = await operator.registers("--check")
    assert before.returncode == 3
    assert "work pool 'local-process': missing" in before.stdout
    assert not await client.read_work_pools()

    assert (await operator.registers()).returncode == 0
    after = await operator.registers("--check")
    assert after.returncode == 0, after.stdout

    await client.update_variable(VariableUpdate(name="pagemill_work_pool", value="by hand"))
    by_hand = await operator.registers("--check")
    assert by_hand.returncode == 3
    assert "variable 'pagemill_work_pool' = local-process: is by hand" in by_hand.stdout


async def test_what_is_asked_for_is_registered(operator: Operator, client: PrefectClient, tmp_path: Path) -> None:
    asked = {
        "GOOGLE_CLOUD_PROJECT": "my-project",
        "PAGEMILL_POOL_KIND": "cloud-run",
        "PAGEMILL_POOL_IMAGE": f"europe-west4-docker.pkg.dev/my-project/pagemill/batch-runner@sha256:{'0' * 64}",
        "PAGEMILL_POOL_NIGHTLY_SOURCE": "gs://archive/in",
        "PAGEMILL_POOL_NIGHTLY_DESTINATION": "gs://archive/out",
        "PAGEMILL_POOL_CREDENTIALS_BLOCK": "for-pagemill",
        "PAGEMILL_POOL_BUCKET_BLOCK": "archive",
        "PAGEMILL_POOL_BUCKET_NAME": "archive",
        "PAGEMILL_POOL_NOTIFICATION_BLOCK": "webhook/ops",
    }
    missing = await operator.registers(environment=asked)
    assert missing.returncode == 2
    assert "there is no block webhook/ops" in missing.stderr

    asked.pop("PAGEMILL_POOL_NOTIFICATION_BLOCK")
    no_credentials = await operator.registers(environment=asked)
    assert no_credentials.returncode == 2
    assert "gcp-credentials/for-pagemill cannot be created here" in no_credentials.stderr

    with MetadataServer() as google:
        (tmp_path / "key.json").write_text(json.dumps(google.service_account_key()))
    asked["GOOGLE_APPLICATION_CREDENTIALS"] = str(tmp_path / "key.json")
    registered = await operator.registers(environment=asked)
    assert registered.returncode == 0, registered.stderr
    deployed = await operator.types("prefect", "--no-prompt", "deploy", "--all")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    pools = {pool.name: pool.type for pool in await client.read_work_pools()}
    assert pools == {"local-process": "process", "cloud-run": "cloud-run-v2"}
    deployments = {deployment.name: deployment for deployment in await client.read_deployments()}
    assert deployments["nightly"].work_pool_name == "cloud-run"
    assert deployments["deploy"].work_pool_name == "local-process"
    assert deployments["nightly"].parameters == {
        "parameters": {"source": "gs://archive/in", "destination": "gs://archive/out"}
    }
    (schedule,) = deployments["nightly"].schedules
    assert schedule.active
    assert schedule.slug == "nightly"
    assert deployments["nightly"].concurrency_options
    assert deployments["nightly"].concurrency_options.collision_strategy == "ENQUEUE"
    assert all(deployment.description for deployment in deployments.values())
    checked = await operator.registers("--check", environment=asked)
    assert checked.returncode == 0, checked.stdout


def test_every_entrypoint_loads_from_another_folder_as_a_worker_loads_it(tmp_path: Path) -> None:
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    entrypoints = {deployment["name"]: deployment["entrypoint"] for deployment in declared}
    code = (
        "import json, sys; from prefect.flows import load_flow_from_entrypoint as load;"
        "print(json.dumps({name: load(entrypoint).name for name, entrypoint in json.loads(sys.argv[1]).items()}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code, json.dumps(entrypoints)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )

    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout) == {
        "on-demand": "ocr-batch",
        "nightly": "ocr-batch",
        "on-upload": "ocr-batch",
        "serve": "watch-uploads",
        "worker": "ocr-shard",
        "deploy": "deploy-service",
    }

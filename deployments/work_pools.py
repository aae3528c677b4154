"""Work pools: processes on a worker's machine, and Cloud Run jobs."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from pagemill.config.pool import PoolSettings
from pagemill.deployments.resource import Resource

_HOME = "/tmp/prefect"  # noqa: S108 -- in a container of one process
LOCAL, CLOUD = "local-process", "cloud-run"
# For every run: a heartbeat, so that a dead run is noticed soon, and no telemetry.
ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


async def work_pools(client: PrefectClient, settings: PoolSettings) -> list[Resource]:
    """The pools: always the one for processes; the one for Cloud Run if an image is set."""
    pools = [await _pool(client, LOCAL, "process", local_template())]
    if settings.image:
        pools.append(await _pool(client, CLOUD, "cloud-run-v2", cloud_template(settings)))
    return pools


def local_template() -> dict[str, Any]:
    """The base job template of processes."""
    template = ProcessWorker.get_default_base_job_template()
    _default(template, "env", ENVIRONMENT)
    return template


def cloud_template(settings: PoolSettings) -> dict[str, Any]:
    """The base job template of Cloud Run jobs: prefect-gcp's own with our defaults and a network interface.

    It names secrets and does not contain them: who can read the template cannot read the secrets.
    """
    from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerV2  # noqa: PLC0415 -- takes seconds

    template: dict[str, Any] = CloudRunWorkerV2.get_default_base_job_template()
    defaults = {
        "image": settings.image,
        "region": settings.region,
        "service_account_name": settings.runs_as,
        "cpu": f"{1000 * settings.cpu}m",
        "memory": f"{settings.memory_gib}Gi",
        "timeout": settings.timeout_seconds,
        "launch_stage": "GA",
        "max_retries": 0,  # Prefect restarts a run; Cloud Run must not restart it as well
        # Prefect passes its worker's own folder on; a job may not be able to write there.
        "env": {**ENVIRONMENT, "GOOGLE_CLOUD_PROJECT": settings.project, "PREFECT_HOME": _HOME},
        "labels": {"managed-by": "pagemill"},
    }
    if settings.api_auth_secret:
        defaults["prefect_api_auth_string_secret"] = {"secret": settings.api_auth_secret, "version": "latest"}
    for name, value in defaults.items():
        _default(template, name, value)
    if settings.network:
        interface = {"network": settings.network} | ({"subnetwork": settings.subnetwork} if settings.subnetwork else {})
        access = {"egress": "PRIVATE_RANGES_ONLY", "networkInterfaces": [interface]}
        template["job_configuration"]["job_body"]["template"]["template"]["vpcAccess"] = access
        del template["variables"]["properties"]["vpc_connector_name"]
    return template


def _default(template: dict[str, Any], name: str, value: object) -> None:
    template["variables"]["properties"][name]["default"] = value


async def _pool(client: PrefectClient, name: str, kind: str, template: dict[str, Any]) -> Resource:
    label = f"work pool '{name}'"
    try:
        found = await client.read_work_pool(name)
    except ObjectNotFound:
        wanted = WorkPoolCreate(name=name, type=kind, base_job_template=template)
        return Resource(label, "missing", partial(client.create_work_pool, wanted))
    if found.type != kind:
        return Resource(label, f"is of type {found.type}, not {kind}", partial(_replace, client, name, kind, template))
    difference = "has another base job template" if found.base_job_template != template else ""
    return Resource(
        label, difference, partial(client.update_work_pool, name, WorkPoolUpdate(base_job_template=template))
    )


async def _replace(client: PrefectClient, name: str, kind: str, template: dict[str, Any]) -> None:
    """Delete and create the pool: its type cannot be changed. Its deployments must be deployed again afterwards."""
    await client.delete_work_pool(name)
    await client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=template))

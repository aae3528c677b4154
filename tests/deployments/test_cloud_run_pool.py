"""The job that a Cloud Run worker makes of our pool: through prefect-gcp's own worker, its HTTP layer answered here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import google_auth_httplib2
import httplib2
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect_gcp.credentials import GcpCredentials
from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerJobV2Configuration, CloudRunWorkerV2

from pagemill.config.pool import PoolSettings, read_pool_settings
from pagemill.deployments.work_pools import cloud_template
from tests.fakes.metadata_server import MetadataServer

_SNAPSHOT = Path(__file__).parent / "snapshots" / "cloud_run_job.json"
_AUTH = "prefect-auth"  # the name of a secret
_RUN = FlowRun(id=UUID(int=1), flow_id=UUID(int=2), name="a-run")


class Jobs:
    """Cloud Run's interface for jobs, as far as the worker asks it."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}  # name to body
        self.asked: list[str] = []

    def request(self, uri: str, method: str = "GET", body: str | None = None, **_: object) -> tuple[Any, bytes]:
        path = re.sub(r"^https://run\.googleapis\.com/v2/|\?.*", "", uri)
        self.asked.append(f"{method} {path}")
        name = "projects/my-project/locations/europe-west4/jobs/x"
        if method == "POST" and path.endswith("/jobs"):
            self.made[re.findall(r"jobId=([\w-]+)", uri)[0]] = json.loads(body or "")
            answer: dict[str, Any] = {"name": "operations/1"}
        elif path.endswith(":run"):
            answer = {"name": "operations/2", "metadata": {"name": f"{name}/executions/1"}}
        elif "/executions/" in path:
            answer = self._execution(path)
        else:
            answer = self._job(name)
        return httplib2.Response({"status": 200, "content-type": "application/json"}), json.dumps(answer).encode()

    @staticmethod
    def _job(name: str) -> dict[str, Any]:
        ready = {"type": "Ready", "state": "CONDITION_SUCCEEDED"}
        moment = "2026-11-23T12:00:00Z"
        return {
            "name": name,
            "uid": "1",
            "generation": "1",
            "labels": {},
            "createTime": moment,
            "updateTime": moment,
            "launchStage": "GA",
            "binaryAuthorization": {},
            "template": {},
            "observedGeneration": "1",
            "terminalCondition": ready,
            "conditions": [ready],
            "executionCount": 1,
            "reconciling": False,
            "latestCreatedExecution": {"name": f"{name}/executions/1"},
            "satisfiesPzs": False,
            "etag": "1",
        }

    @staticmethod
    def _execution(path: str) -> dict[str, Any]:
        moment, completed = "2026-11-23T12:00:00Z", {"type": "Completed", "state": "CONDITION_SUCCEEDED"}
        return {
            "name": path,
            "uid": "2",
            "generation": "1",
            "labels": {},
            "annotations": {},
            "createTime": moment,
            "startTime": moment,
            "completionTime": moment,
            "updateTime": moment,
            "launchStage": "GA",
            "job": "x",
            "parallelism": 1,
            "taskCount": 1,
            "template": {},
            "reconciling": False,
            "conditions": [completed],
            "observedGeneration": "1",
            "runningCount": 0,
            "succeededCount": 1,
            "failedCount": 0,
            "cancelledCount": 0,
            "retriedCount": 0,
            "logUri": "",
            "satisfiesPzs": False,
            "etag": "1",
        }


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    jobs = Jobs()
    monkeypatch.setattr(
        google_auth_httplib2.AuthorizedHttp, "request", lambda _, uri, *args, **named: jobs.request(uri, *args, **named)
    )
    return jobs


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PoolSettings:
    with MetadataServer() as google:
        (tmp_path / "key.json").write_text(json.dumps(google.service_account_key() | {"project_id": "my-project"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    image = f"europe-west4-docker.pkg.dev/my-project/pagemill/batch-runner@sha256:{'0' * 64}"
    monkeypatch.setenv("PAGEMILL_POOL_IMAGE", image)
    monkeypatch.setenv("PAGEMILL_POOL_NETWORK", "inside")
    monkeypatch.setenv("PAGEMILL_POOL_API_AUTH_SECRET", _AUTH)
    return read_pool_settings()


async def _configuration(pool: PoolSettings) -> CloudRunWorkerJobV2Configuration:
    with temporary_settings({PREFECT_API_URL: "https://prefect.example/api"}):
        made = await CloudRunWorkerJobV2Configuration.from_template_and_values(
            cloud_template(pool), {"credentials": GcpCredentials(service_account_file=None)}
        )
        made.prepare_for_flow_run(_RUN, worker_name="a-worker")
    return made


async def test_the_job_is_field_by_field_the_reviewed_one(pool: PoolSettings, jobs: Jobs) -> None:
    worker = CloudRunWorkerV2(work_pool_name="cloud-run")
    configuration = await _configuration(pool)
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):
        result = await worker.run(_RUN, configuration)

    assert result.status_code == 0
    ((_, made),) = jobs.made.items()
    assert _reviewable(made) == json.loads(_SNAPSHOT.read_text())


def _reviewable(job: dict[str, Any]) -> dict[str, Any]:
    """The job without Prefect's version, and without what this suite sets for itself."""
    (container,) = job["template"]["template"]["containers"]
    kept = (entry for entry in container["env"] if entry["name"] != "PREFECT_SERVER_EPHEMERAL_ENABLED")
    container["env"] = sorted(kept, key=lambda entry: str(entry["name"]))
    for labels in (job["labels"], job["template"]["labels"]):
        del labels["prefect-io-version"]
    return job


async def test_image_account_size_and_time_are_as_set(pool: PoolSettings) -> None:
    job = (await _configuration(pool)).job_body["template"]["template"]
    (container,) = job["containers"]

    assert container["image"] == pool.image
    assert "@sha256:" in container["image"]
    assert container["resources"]["limits"] == {"cpu": "4000m", "memory": "8Gi"}
    assert job["serviceAccount"] == "pagemill-worker@my-project.iam.gserviceaccount.com"
    assert job["timeout"] == "21600s"
    assert job["maxRetries"] == 0
    assert job["vpcAccess"]["networkInterfaces"] == [{"network": "inside"}]


async def test_no_secret_is_in_a_job_in_clear(pool: PoolSettings) -> None:
    job = (await _configuration(pool)).job_body["template"]["template"]
    environment = {entry["name"]: entry for entry in job["containers"][0]["env"]}

    assert "value" not in environment["PREFECT_API_AUTH_STRING"]
    assert environment["PREFECT_API_AUTH_STRING"]["valueSource"]["secretKeyRef"]["secret"] == _AUTH
    assert not [name for name in environment if re.search("KEY|PASSWORD|TOKEN", name)]

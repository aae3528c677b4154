"""`pagemill deploy --smoke`: the deploy flow with a small service of its own, against a project on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pagemill.cli.main import app
from pagemill.config.service import LONGEST_NAME
from pagemill.domain.service.canary import CanaryPage
from pagemill.orchestration.deploy import wiring
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.fakes.google_cloud import vllm
from tests.fakes.google_cloud.builds import Build, Ending, Failure
from tests.fakes.google_cloud.cloud import GoogleCloud
from tests.fakes.google_cloud.grpc_server import refuse
from tests.fakes.google_cloud.vllm import Server
from tests.fakes.ocr_endpoint import Answer

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api_url")]

_ROOT = Path(__file__).parents[2]
_STEPS = (
    "APIs",
    "Cloud Build",
    "the revision starts",
    "requests without",
    "our identity",
    "the canary",
    "all requests",
)
_DELETED = "the service is deleted"


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wide, and with SIGINT: a shell starts its background jobs without."""
    monkeypatch.setenv("COLUMNS", "220")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _smoke(*options: str) -> Result:
    return CliRunner().invoke(app, ["deploy", "--smoke", *options])


def _proved(shown: Result) -> dict[str, bool]:
    """Each step of the table, by the beginning of its name."""
    rows = re.findall(r"^ *(\S.*?)  +(yes|no)\b", shown.stdout, re.MULTILINE)
    return {begin: proved == "yes" for begin in (*_STEPS, _DELETED) for step, proved in rows if step.startswith(begin)}


def _created(cloud: GoogleCloud) -> list[str]:
    """Services that there were at any time, by their short names."""
    return sorted({name.split("/services/")[1].partition("/")[0] for name in cloud.run.revisions})


def test_a_smoke_test_proves_every_step_and_leaves_no_service(cloud: GoogleCloud) -> None:
    shown = _smoke()

    assert shown.exit_code == 0, shown.output
    assert _proved(shown) == dict.fromkeys((*_STEPS, _DELETED), True)
    assert "8 of 8 pages" in shown.stdout
    assert "project my-project, region europe-west4, service lightonocr-smoke" in shown.stderr
    assert "A smoke test cannot prove:\n  GPU quota" in shown.stdout
    assert "the image europe-west4-docker.pkg.dev/my-project/pagemill/pagemill-smoke" in shown.stdout
    assert _created(cloud) == ["lightonocr-smoke"]
    assert not cloud.run.services
    (build,) = cloud.builds.builds
    assert "smoke-service" in build.tags


def test_its_service_is_small_and_has_no_gpu(cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_SERVICE_MIN_INSTANCES", "1")
    monkeypatch.setenv("PAGEMILL_SERVICE_ENVIRONMENT", '["VLLM_LOGGING_LEVEL=DEBUG"]')
    monkeypatch.setenv("PAGEMILL_SERVICE_STARTUP_FAILURES", "180")  # 1,800 s, which only a service with a GPU may take
    cloud.run.gpu_quota, cloud.run.cpu_quota, cloud.run.memory_quota_gib = 0, 20, 40
    made = list[Any]()
    cloud.run.after_update = made.append
    shown = _smoke()

    assert shown.exit_code == 0, shown.output
    service = made[0]
    (container,) = service.template.containers
    assert dict(container.resources.limits) == {"cpu": "2", "memory": "4Gi"}
    assert list(container.args) == ["--served-model-name", "pagemill-smoke"]
    assert not container.env
    assert not service.template.node_selector.accelerator
    assert (service.scaling.min_instance_count, service.scaling.max_instance_count) == (0, 1)
    assert service.template.service_account == "pagemill-run@my-project.iam.gserviceaccount.com"


def test_the_service_that_serves_and_its_published_url_are_not_touched(cloud: GoogleCloud) -> None:
    deployed = CliRunner().invoke(app, ["deploy"])
    before = cloud.run.services[cloud.service].etag
    shown = _smoke()

    assert deployed.exit_code == shown.exit_code == 0, shown.output
    assert cloud.run.services.keys() == {cloud.service}
    assert cloud.run.services[cloud.service].etag == before
    assert "LIGHTONOCR_SERVICE_URL" not in shown.stdout


def _failing_build(cloud: GoogleCloud) -> None:
    cloud.builds.endings.extend([Ending(Build.Status.FAILURE, Failure.USER_BUILD_STEP, "step 2")] * 2)


def _container(**character: Any) -> Callable[[GoogleCloud], None]:
    def arrange(cloud: GoogleCloud) -> None:
        cloud.run.container = lambda _: Server(**character)

    return arrange


def _no_permission(cloud: GoogleCloud) -> None:
    cloud.project.denied.add("run.services.delete")


def _made_public(cloud: GoogleCloud) -> None:
    def switch_off(service: Any) -> None:
        cloud.run.after_update = lambda _: None
        service.invoker_iam_disabled = True

    cloud.run.after_update = switch_off


def _traffic_elsewhere(cloud: GoogleCloud) -> None:
    def conflict(service: Any) -> None:
        service.etag = '"somebody"'

    cloud.run.before_update = conflict


_FAILURES: dict[str, tuple[Callable[[GoogleCloud], None], int, str]] = {  # steps that are proved, and the message
    "permissions": (_no_permission, 0, "we lack run.services.delete"),
    "build": (_failing_build, 1, "step 2"),
    "start": (_container(starts=False), 2, "failed to start and listen"),
    "private": (_made_public, 3, "was public"),
    "health": (_container(healthy=False), 4, "/health did not succeed"),
    "pages": (_container(reads=vllm.empty), 5, "holds no text"),
    "traffic": (_traffic_elsewhere, 6, "somebody else changed it"),
}


@pytest.mark.parametrize("step", _FAILURES)
def test_a_step_that_fails_is_named_and_the_service_is_deleted(
    step: str, cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrange, proved, message = _FAILURES[step]
    if step == "health":
        monkeypatch.setenv("PAGEMILL_SERVICE_HEALTH_SECONDS", "0.5")
    if step == "private":
        monkeypatch.setenv("PAGEMILL_SERVICE_GRANT_SECONDS", "2")
    arrange(cloud)
    shown = _smoke()

    assert shown.exit_code in {2, 6}, shown.output
    assert message in " ".join(shown.stderr.split())
    found = _proved(shown)
    assert [found[name] for name in _STEPS] == [number < proved for number in range(len(_STEPS))]
    assert found[_DELETED] is (proved > 1)
    assert not cloud.run.services


def _at_a_page(cloud: GoogleCloud, signalled: Callable[[object], None]) -> None:
    def read(image: str, truth: str) -> Answer:
        signalled(image)
        return vllm.well(image, truth)

    cloud.run.container = lambda _: Server(reads=read, latency_seconds=0.3)


def _at_the_creation(cloud: GoogleCloud, signalled: Callable[[object], None]) -> None:
    cloud.run.after_update = signalled


def _once(sent: list[signal.Signals], number: signal.Signals) -> Callable[[object], None]:
    """Sends this process a signal when it is called the first time."""

    def send(_: object) -> None:
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    return send


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("arrange", [_at_a_page, _at_the_creation])
def test_an_interrupted_smoke_test_deletes_its_service(
    arrange: Callable[[GoogleCloud, Callable[[object], None]], None], number: signal.Signals, cloud: GoogleCloud
) -> None:
    sent = list[signal.Signals]()
    arrange(cloud, _once(sent, number))
    shown = _smoke()

    assert shown.exit_code == 130, shown.output
    assert sent == [number]
    assert "the smoke test was interrupted" in shown.stderr
    assert "Traceback" not in shown.output
    assert _proved(shown)[_DELETED]
    assert _created(cloud) == ["lightonocr-smoke"]
    assert not cloud.run.services


@pytest.mark.parametrize("refused", [False, True])
def test_an_interruption_does_not_disturb_the_deletion(refused: bool, cloud: GoogleCloud) -> None:  # noqa: FBT001
    sent = list[signal.Signals]()
    send = _once(sent, signal.SIGINT)

    def interrupt(service: object) -> None:
        send(service)
        if refused:
            refuse("INTERNAL", "Internal error encountered.")

    cloud.run.before_delete = interrupt
    shown = _smoke()

    assert sent == [signal.SIGINT]
    assert shown.exit_code == (6 if refused else 0), shown.output
    assert bool(cloud.run.services) is refused
    assert ("gcloud run services delete" in shown.output) is refused


def test_a_service_that_refuses_its_deletion_for_a_moment_is_deleted(cloud: GoogleCloud) -> None:
    def refuse_once(_: object) -> None:
        cloud.run.before_delete = lambda _: None
        refuse("ABORTED", "Conflict for resource 'lightonocr-smoke'.")

    cloud.run.before_delete = refuse_once
    shown = _smoke()

    assert shown.exit_code == 0, shown.output
    assert not cloud.run.services


def test_a_service_that_cannot_be_deleted_is_named_with_the_command_and_the_next_smoke_test_deletes_it(
    cloud: GoogleCloud,
) -> None:
    cloud.run.before_delete = lambda _: refuse("INTERNAL", "Internal error encountered.")
    shown = _smoke()
    left = list(cloud.run.services)
    cloud.run.before_delete = lambda _: None
    again = _smoke()

    command = "gcloud run services delete lightonocr-smoke --region=europe-west4 --project=my-project"
    assert shown.exit_code == 6
    assert command in " ".join(shown.stderr.split())
    assert command in " ".join(shown.stdout.split())
    assert not _proved(shown)[_DELETED]
    assert [name.rpartition("/")[2] for name in left] == ["lightonocr-smoke"]
    assert again.exit_code == 0, again.output
    assert "which an earlier smoke test left behind" in again.stderr
    assert "not tried: the image of this source exists" in again.stdout
    assert not cloud.run.services


def test_a_name_without_room_for_that_of_the_smoke_test_is_refused(
    cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_SERVICE_NAME", "n" * (LONGEST_NAME - 5))
    shown = _smoke()

    assert shown.exit_code == 2
    assert f"at most {LONGEST_NAME - 6}" in " ".join(shown.stderr.split())
    assert not cloud.builds.builds


@pytest.mark.parametrize("option", [("--max-instances", "2"), ("--approval",), ("--delete",), ("--dry-run",)])
def test_options_that_a_smoke_test_does_not_have_are_refused(option: tuple[str, ...], cloud: GoogleCloud) -> None:
    shown = _smoke(*option)

    assert shown.exit_code == 2
    assert "--smoke" in shown.stderr
    assert not cloud.run.services


@pytest.fixture
def program() -> Iterator[Callable[[Sequence[str]], str]]:
    """Starts what the image starts, on a free port of this machine."""
    started = list[subprocess.Popen[str]]()

    def start(args: Sequence[str]) -> str:
        text = (_ROOT / "infra/smoke_service/Dockerfile").read_text()
        found = re.search(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)
        assert found
        here = {"python3": sys.executable, "0.0.0.0": "127.0.0.1", "8000": "0", "2": "1"}
        command = [here.get(word, word) for word in json.loads(found[1])]
        started.append(subprocess.Popen([*command, *args], stdout=subprocess.PIPE, text=True))
        output = started[-1].stdout
        assert output
        return output.readline().strip()

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.ocr
def test_the_program_of_the_image_passes_the_smoke_test(
    cloud: GoogleCloud, program: Callable[[Sequence[str]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of the eight pages: all of them take half a minute of processor time."""
    rendered = vars(wiring)["canary_pages"]

    async def two(rasterizer: PdfiumRasterizer) -> Sequence[CanaryPage]:
        return [page for page in await rendered(rasterizer) if page.name in {"invoice p. 1", "scanned-letter p. 1"}]

    monkeypatch.setattr(wiring, "canary_pages", two)
    cloud.run.container = lambda _: Server(program=program)
    shown = _smoke()

    assert shown.exit_code == 0, shown.output
    assert _proved(shown) == dict.fromkeys((*_STEPS, _DELETED), True)
    assert "2 of 2 pages" in shown.stdout

"""Requests while the traffic moves, and `pagemill deploy --canary`: gradual traffic, against a project on loopback."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from pagemill.cli.main import app
from pagemill.ocr.service_endpoint import HttpsServiceEndpoint
from tests.fakes.google_cloud import vllm
from tests.fakes.google_cloud.cloud import GoogleCloud
from tests.fakes.google_cloud.vllm import Server
from tests.fakes.ocr_endpoint import Answer

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api_url", "deployer")]
_MODEL = "lightonai/LightOnOCR-2-1B"
_COMPLETION = json.dumps(
    {
        "choices": [{"message": {"content": "the old one"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 3},
    }
).encode()


@pytest.fixture(autouse=True)
def second_deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A revision other than the first one; and SIGINT, without which a shell starts its background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("PAGEMILL_SERVICE_STEP_SECONDS", "0.1")
    yield
    signal.signal(signal.SIGINT, before)


def _deploy(*options: str) -> Result:
    return CliRunner().invoke(app, ["deploy", *options])


def _traffic(cloud: GoogleCloud, name: str = "") -> dict[str, int]:
    return {s.revision: s.percent for s in cloud.run.services[name or cloud.service].traffic_statuses if s.percent}


def _followed(cloud: GoogleCloud, shares: list[dict[str, int]]) -> None:
    """Note each change of where the requests go."""

    def note(service: Any) -> None:
        now = {share.revision: share.percent for share in service.traffic_statuses if share.percent}
        if not shares or shares[-1] != now:
            shares.append(now)

    cloud.run.after_update = note


def test_the_requests_move_step_by_step_and_the_old_revision_gets_none_in_the_end(
    cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _deploy().exit_code == 0
    old, shares = cloud.run.serving(cloud.service), list[dict[str, int]]()
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    _followed(cloud, shares)

    shown = _deploy("--canary", "5,50,100")

    new = cloud.run.serving(cloud.service)
    assert shown.exit_code == 0, shown.output
    assert shares == [{old: 100}, {old: 95, new: 5}, {old: 50, new: 50}, {new: 100}]
    assert not any(share.tag for share in cloud.run.services[cloud.service].traffic_statuses)
    assert f"{new} with 5 %: not proven, too few requests (0 requests, 0 errors)" in shown.stderr
    assert cloud.run.services[cloud.service].annotations["pagemill.dev/verified"] == f"{new},{old}"


def test_a_revision_that_fails_real_requests_loses_them_again_and_the_reason_is_said(
    cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _deploy().exit_code == 0
    old, read = cloud.run.serving(cloud.service), itertools.count()
    senders, shares = list[threading.Thread](), list[dict[str, int]]()

    def well_until_it_is_verified(image: str, truth: str) -> Answer:
        return vllm.well(image, truth) if next(read) < 9 else Answer(kind="status", status=500)

    def send_when_it_is_shared(service: Any) -> None:
        shares.append({share.revision: share.percent for share in service.traffic_statuses if share.percent})
        if len(shares[-1]) == 2 and not senders:
            senders.append(threading.Thread(target=asyncio.run, args=(_send(cloud.run.urls[cloud.service].url, 40),)))
            senders[0].start()

    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    monkeypatch.setenv("PAGEMILL_SERVICE_STEP_SECONDS", "60")
    monkeypatch.setenv("PAGEMILL_SERVICE_STEP_SLOWDOWN", "1000")  # errors are meant, and this machine may be busy
    cloud.monitoring.sample_seconds = 0.1
    cloud.run.container = lambda _: Server(reads=well_until_it_is_verified)
    cloud.run.after_update = send_when_it_is_shared
    shown = _deploy("--canary", "50,100")
    senders[0].join()

    assert shown.exit_code == 6, shown.output
    said = " ".join(shown.stderr.split())
    assert "with 50 % of the requests at lightonocr-" in said
    assert "requests were answered with 5xx" in said
    assert f"{old} keeps serving" in said
    assert _traffic(cloud) == {old: 100}
    assert [sorted(share.values()) for share in shares] == [[100], [50, 50], [100]]


def test_a_page_in_flight_while_the_requests_move_is_answered_by_the_old_revision(
    cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, asked, read = threading.Event(), threading.Event(), itertools.count()

    def answer() -> Iterator[bytes | float]:
        while not moved.is_set():
            yield 0.02
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_COMPLETION), _COMPLETION)

    def slowly_once_it_is_verified(image: str, truth: str) -> Answer:
        if next(read) < 9:
            return vllm.well(image, truth)
        asked.set()
        return Answer(kind="wire", wire=answer)

    cloud.run.container = lambda _: Server(reads=slowly_once_it_is_verified)
    assert _deploy().exit_code == 0
    old = cloud.run.serving(cloud.service)
    with ThreadPoolExecutor() as threads:
        page = threads.submit(asyncio.run, _read(cloud.run.urls[cloud.service].url))
        assert asked.wait(60)
        cloud.run.container = lambda _: Server()
        monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
        deployed = _deploy()
        moved.set()

    assert deployed.exit_code == 0, deployed.output
    assert cloud.run.serving(cloud.service) != old
    assert page.result() == "the old one"
    assert cloud.monitoring.served[-1].revision == old


async def _send(url: str, count: int) -> None:
    """Send pages to the service, as a batch does; half of them fail."""
    await asyncio.gather(*(_read(url) for _ in range(count)), return_exceptions=True)


async def _read(url: str) -> str:
    page = io.BytesIO()
    Image.new("L", (8, 8)).save(page, "PNG")
    async with HttpsServiceEndpoint(url, audience=url, model=_MODEL) as endpoint:
        await endpoint.probe()
        return (await endpoint.read(page.getvalue(), max_tokens=4096)).markdown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interruption_sends_the_requests_back(
    number: signal.Signals, cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _deploy().exit_code == 0
    old, sent = cloud.run.serving(cloud.service), list[signal.Signals]()

    def interrupt(service: Any) -> None:
        if len([share for share in service.traffic_statuses if share.percent]) == 2 and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    monkeypatch.setenv("PAGEMILL_SERVICE_STEP_SECONDS", "60")
    cloud.run.after_update = interrupt
    shown = _deploy("--canary", "5,100")

    assert shown.exit_code == 130, shown.output
    assert sent == [number]
    assert _traffic(cloud) == {old: 100}


def test_what_a_deployer_that_was_killed_left_split_is_named_and_the_next_deployment_begins_with_the_old_revision(
    cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _deploy().exit_code == 0
    old, shares = cloud.run.serving(cloud.service), list[dict[str, int]]()
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_NUM_SEQS", "12")
    cloud.run.after_update = lambda service: (
        cloud.project.denied.add("run.services.update") if len(service.traffic_statuses) == 2 else None
    )
    monkeypatch.setenv("PAGEMILL_SERVICE_CANARY_SECONDS", "0.001")  # ends after staging, and cannot clean up
    killed = _deploy()
    service = cloud.run.services[cloud.service]
    left = next(share.revision for share in service.traffic_statuses if share.tag)
    for share in service.traffic_statuses:
        share.percent = 5 if share.tag else 95  # as if it had been killed a step later
    cloud.project.denied.clear()
    monkeypatch.delenv("PAGEMILL_SERVICE_CANARY_SECONDS")
    status = CliRunner().invoke(app, ["status"])
    _followed(cloud, shares)
    again = _deploy()

    assert killed.exit_code != 0
    assert f"{left} is being verified, or a deployment that died left it behind" in status.stderr
    assert again.exit_code == 0, again.output
    assert shares == [{old: 100}, {left: 100}]


def test_a_preview_says_how_long_the_steps_take(cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAGEMILL_SERVICE_STEP_SECONDS")

    shown = _deploy("--dry-run", "--canary", "5,50,100")

    assert shown.exit_code == 0, shown.output
    assert "gradual traffic: 5 %, 50 %, 100 % of the requests, 30 min in all" in shown.stdout
    assert not cloud.run.services


def test_without_the_right_to_read_the_metrics_nothing_is_done(cloud: GoogleCloud) -> None:
    cloud.monitoring.refused = "Permission monitoring.timeSeries.list denied (or the resource may not exist)."

    shown = _deploy("--canary", "5,100")

    assert shown.exit_code == 2
    assert "monitoring.timeSeries.list denied" in " ".join(shown.stderr.split())
    assert not cloud.builds.builds


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--canary", "50,5"), "'50,5' is no list of growing percents"),
        (("--canary", "5,100", "--rollback"), "--canary is for a new revision"),
        (("--canary", "5,100", "--wait-for-idle"), "--canary needs two revisions at once"),
        (("--canary", "5,100", "--smoke"), "--smoke has a service of its own"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...], said: str, cloud: GoogleCloud) -> None:
    shown = _deploy(*options)

    assert shown.exit_code == 2
    assert said in " ".join(shown.stderr.split())
    assert not cloud.grpc_server.calls

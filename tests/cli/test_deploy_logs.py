"""`pagemill deploy --logs`, with the real client against a Cloud Logging on loopback."""

from __future__ import annotations

import datetime as dt

import pytest
from google.cloud import run_v2
from google.cloud.audit.audit_log_pb2 import AuditLog
from google.cloud.logging_v2.types import LogEntry
from google.logging.type.http_request_pb2 import HttpRequest
from google.logging.type.log_severity_pb2 import ERROR, INFO
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.status_pb2 import Status
from typer.testing import CliRunner, Result

from pagemill.cli.main import app
from tests.fakes.google_cloud.cloud import GoogleCloud

_NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


@pytest.fixture
def service(cloud: GoogleCloud) -> GoogleCloud:
    """A service whose newest revision did not start: r2; r1 serves."""
    cloud.run.services[cloud.service] = run_v2.Service(
        name=cloud.service,
        latest_created_revision=f"{cloud.service}/revisions/r2",
        traffic_statuses=[run_v2.TrafficTargetStatus(revision="r1", percent=100)],
    )
    return cloud


def _logs(*options: str) -> Result:
    return CliRunner().invoke(app, ["deploy", "--logs", *options])


def _written(service: GoogleCloud, revision: str, text: str, *, seconds_ago: float = 0.0) -> None:
    service.logs.write(revision, LogEntry(text_payload=text, timestamp=_NOW - dt.timedelta(seconds=seconds_ago)))


def _event(message: str) -> Packed:
    packed = Packed()
    packed.Pack(AuditLog(method_name="/InternalServices.ReplaceInternalService", status=Status(message=message)))
    return packed


def test_the_lines_of_the_newest_revision_are_printed_the_oldest_first_and_as_they_are(service: GoogleCloud) -> None:
    _written(service, "r2", "[bold]CUDA out of memory[/bold] " + "x" * 200)
    _written(service, "r2", "loading weights\n", seconds_ago=5)
    _written(service, "r1", "of another revision")
    _written(service, "r2", "of another month", seconds_ago=40 * 24 * 3600)

    shown = _logs()

    assert shown.exit_code == 0, shown.output
    assert [line.partition(" ")[2] for line in shown.stdout.splitlines()] == [
        "loading weights",
        "[bold]CUDA out of memory[/bold] " + "x" * 200,
    ]
    assert shown.stdout.splitlines()[1].startswith(_NOW.strftime("%Y-%m-%dT%H:%M:%SZ "))
    assert "these are the last lines of r2" in shown.stderr


def test_requests_events_and_structured_lines_are_told_in_their_own_words(service: GoogleCloud) -> None:
    request = HttpRequest(
        request_method="POST", request_url="https://x.run.app/v1", status=503, latency=Duration(seconds=2)
    )
    for entry in (
        LogEntry(http_request=request, severity=ERROR),
        LogEntry(json_payload={"message": "engine is dead", "code": 7}, severity=INFO),
        LogEntry(json_payload={"code": 7}),
        LogEntry(proto_payload=_event("Ready condition status changed to False")),
    ):
        entry.timestamp = _NOW
        service.logs.write("r2", entry)

    shown = _logs()

    assert shown.exit_code == 0, shown.output
    assert sorted(line.partition(" ")[2] for line in shown.stdout.splitlines()) == [
        "ERROR POST https://x.run.app/v1 503 2.000 s",
        "INFO engine is dead",
        "Ready condition status changed to False",
        '{"code": 7.0}',
    ]


def test_no_more_than_the_last_hundred_lines_of_a_named_revision_are_printed(service: GoogleCloud) -> None:
    for number in range(120):
        _written(service, "r1", f"line {number}", seconds_ago=120 - number)

    shown = _logs("--revision", "r1")

    texts = [line.partition(" ")[2] for line in shown.stdout.splitlines()]
    assert texts == [f"line {number}" for number in range(20, 120)]


def test_the_log_of_a_deleted_service_is_there_if_its_revision_is_named(cloud: GoogleCloud) -> None:
    _written(cloud, "lightonocr-00001-abc", "killed")

    refused, shown = _logs(), _logs("--revision", "lightonocr-00001-abc")

    assert refused.exit_code == 2
    assert "the log of a deleted one: pagemill deploy --logs --revision NAME" in " ".join(refused.stderr.split())
    assert shown.stdout.rstrip().endswith("killed")


def test_a_revision_without_lines_is_no_error(service: GoogleCloud) -> None:
    shown = _logs("--revision", "r7")

    assert service.grpc_server.calls["ListLogEntries"] == 2
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "r7 has written nothing in the last 30 days" in shown.stderr


def test_a_missing_permission_is_named_with_the_role_and_the_command(service: GoogleCloud) -> None:
    service.project.denied.add("logging.logEntries.list")

    shown = _logs()

    said = " ".join(shown.stderr.split())
    assert shown.exit_code == 2
    assert "reading the log of r2: Permission 'logging.logEntries.list' denied" in said
    assert "roles/logging.viewer" in said
    assert said.endswith("type: terraform -chdir=infra/terraform apply")


def test_an_api_that_is_not_enabled_is_named_with_its_command(service: GoogleCloud) -> None:
    service.project.apis_off.add("logging.googleapis.com")

    assert "type: gcloud services enable logging.googleapis.com" in " ".join(_logs().stderr.split())


@pytest.mark.parametrize("option", ["--rollback", "--delete", "--dry-run", "--smoke"])
def test_the_log_goes_with_nothing_that_changes_the_service(option: str, service: GoogleCloud) -> None:
    shown = _logs(option)

    assert shown.exit_code == 2
    assert "choose one of" in shown.stderr
    assert not service.grpc_server.calls

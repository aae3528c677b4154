from __future__ import annotations

import pytest
from google.cloud import run_v2
from typer.testing import CliRunner, Result

from pagemill.cli.main import app
from tests.fakes.google_cloud.cloud import GoogleCloud


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def service(cloud: GoogleCloud) -> GoogleCloud:
    """A service with a revision that serves, one to go back to, and one that is being verified."""
    cloud.run.services[cloud.service] = run_v2.Service(
        name=cloud.service,
        uri="https://lightonocr-abc-ew4.a.run.app",
        annotations={"pagemill.dev/verified": "r2,r1"},
        traffic_statuses=[
            run_v2.TrafficTargetStatus(revision="r2", percent=100),
            run_v2.TrafficTargetStatus(revision="r3", tag="candidate"),
        ],
    )
    return cloud


def _status(*options: str) -> Result:
    return CliRunner().invoke(app, ["status", *options])


def test_the_status_names_revisions_requests_verification_and_instances(service: GoogleCloud) -> None:
    service.monitoring.counts.update({"r2": [2], "r3": [1]})

    shown = _status()

    assert shown.exit_code == 0, shown.output
    rows = {words[0]: words[1:] for words in map(str.split, shown.stdout.splitlines()) if words}
    assert rows["URL:"] == ["https://lightonocr-abc-ew4.a.run.app"]
    assert rows["r2"] == ["100", "%", "yes", "2"]
    assert rows["r3"] == ["0", "%", "no", "candidate", "1"]
    assert rows["r1"] == ["0", "%", "yes", "0"]
    assert "a deployment that died left it behind" in shown.stderr


def test_instances_that_monitoring_does_not_tell_are_left_out_and_that_is_said(service: GoogleCloud) -> None:
    service.monitoring.refused = "Permission monitoring.timeSeries.list denied (or the resource may not exist)."

    shown = _status()

    assert shown.exit_code == 0, shown.output
    assert "100 %" in shown.stdout
    assert "instances and cost are not known: counting the instances of r2: Permission monitoring" in shown.stderr


def test_the_status_says_what_the_last_day_has_cost(service: GoogleCloud) -> None:
    limits = {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}
    found = service.run.services[service.service]
    found.template = run_v2.RevisionTemplate(
        gpu_zonal_redundancy_disabled=True,
        containers=[run_v2.Container(resources=run_v2.ResourceRequirements(limits=limits))],
    )
    service.monitoring.billed = {"r1": 1800.0, "r2": 5400.0}

    shown = _status()

    assert shown.exit_code == 0, shown.output
    assert "last 24 hours: 2.0 hours of instances, about 2.84 USD by list prices" in shown.stdout


def test_a_service_that_nobody_called_has_cost_nothing(service: GoogleCloud) -> None:
    assert "last 24 hours: 0.0 hours of instances" in _status().stdout
    assert service.monitoring.questions == 4  # three revisions and the billed time


@pytest.mark.usefixtures("cloud")
def test_a_project_without_the_service_is_told_how_to_get_one() -> None:
    shown = _status("--project", "acme-staging")

    assert shown.exit_code == 2
    assert "there is no service lightonocr in europe-west4 of acme-staging; type: pagemill deploy" in shown.output

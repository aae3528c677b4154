from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

from pagemill.cli.main import main
from tests.fakes.gcs import FakeGcs, Fault
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.fakes.ocr_process import Endpoint, running_endpoint
from tests.pdfs import numbered_pdf, write_pdf

_SERVER = "pagemill.orchestration.server.serving"
_QUIET = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with running_endpoint(latency_seconds=0.05) as running:
        yield running


@pytest.fixture
def slow_endpoint() -> Iterator[Endpoint]:
    """Reads pages more slowly than they are rendered, so that the maximum number is in flight."""
    with running_endpoint(latency_seconds=0.5) as running:
        yield running


class Pagemill:
    """Runs commands as separate processes."""

    def __init__(self, home: Path, api_url: str = "") -> None:
        """Configure. Without an API URL, each run starts its own Prefect server."""
        self._environment = {**_QUIET, "PREFECT_HOME": str(home), "COLUMNS": "200"}
        self._environment |= {"PREFECT_API_URL": api_url} if api_url else {}

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "pagemill", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self._environment},
        )

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run a command to its end: exit status, output, errors."""
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=120)
            return process.returncode, output, errors


@pytest.fixture
def alone(tmp_path: Path) -> Pagemill:
    """The command line without a Prefect server: runs read without Prefect."""
    return Pagemill(tmp_path / "prefect-home")


@pytest.fixture
def with_its_own_server(tmp_path: Path, prefect_database: Path) -> Pagemill:
    """The command line without a Prefect server, and with the tables that its first start would make."""
    home = tmp_path / "prefect-home"
    home.mkdir()
    shutil.copyfile(prefect_database, home / "prefect.db")
    return Pagemill(home)


@pytest.fixture
def pagemill(tmp_path: Path, prefect_api_url: str) -> Pagemill:
    """The command line with a Prefect server."""
    return Pagemill(tmp_path / "prefect-home", prefect_api_url)


def test_help_imports_neither_prefect_nor_google_nor_anything_else_that_is_slow() -> None:
    script = """
import sys
from typer.testing import CliRunner
from pagemill.cli.main import app

for command in ("run", "endpoint", "register", "doctor", "deploy", "status", "build-runner"):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0, result.output
print(sorted({"prefect", "google", "httpx", "numpy", "pypdfium2"} & set(sys.modules)))
"""

    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "in", "out", "--pages", "3-1"], "'3-1' in --pages"),
        (["run", "in", "out", "--endpoint", "ftp://x", "--dry-run"], "endpoint 'ftp://x'"),
        (["run", "in", "out", "--endpoint", "127.0.0.1:8000"], "has no scheme: type http://"),
        (["run", "in", "out", "--endpoint", "http://127.0.0.1:99999"], "a port is a number from 1 to 65535"),
        (
            ["run", "in", "out", "--endpoint", "http://user:S3cret@127.0.0.1:9"],
            "the URL in endpoint holds a user name or a password",
        ),
        (["run", "in", "out", "--max-in-flight", "0"], "--max-in-flight"),
        (["run", "ftp://bucket", "out", "--dry-run"], "neither a local path nor gs://"),
        (["run", "in"], "Missing argument"),
        (["endpoint", "--engine", "magic"], "no OCR engine 'magic'"),
        (["run", "in", "out", "--shards", "2"], "no Prefect server is configured"),
        (["run", "in", "out", "--shards", "2", "--no-prefect"], "leave out --no-prefect or --shards"),
        (["run", "in", "out", "--shards", "65"], "--shards"),
    ],
)
def test_wrong_usage_prints_a_message_and_exits_with_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    status = main(arguments)

    errors = capsys.readouterr().err
    assert status == 2
    assert says in errors
    assert "Traceback" not in errors
    assert "S3cret" not in errors


def test_an_invalid_setting_is_named_with_its_variable(alone: Pagemill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_MAX_TOKENS", "many")

    status, _, errors = alone("doctor")

    assert status == 2
    assert "PAGEMILL_MAX_TOKENS='many'" in errors
    assert "Traceback" not in errors


def test_the_doctor_finds_a_healthy_installation_healthy(alone: Pagemill) -> None:
    status, output, _ = alone("doctor")

    assert status == 0, output
    assert "processes with PDFium" in output
    assert "containment: " in output
    assert "apt-get install fonts-noto-cjk" in output or "Chinese, Japanese and Korean text is rendered" in output
    assert "embedded, " in output


def test_the_doctor_names_an_endpoint_that_serves_another_model(
    alone: Pagemill, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTONOCR_SERVICE_URL", endpoint.url)
    monkeypatch.setenv("PAGEMILL_MODEL", "other/model")

    status, output, _ = alone("doctor")

    assert status == 2
    assert "does not serve 'other/model'" in output


def test_a_source_that_does_not_exist_exits_with_5(alone: Pagemill, tmp_path: Path) -> None:
    status, _, errors = alone("run", tmp_path / "none", tmp_path / "out", "--dry-run")

    assert status == 5
    assert "no such file or folder" in errors


def test_a_dry_run_lists_documents_and_pages_and_writes_nothing(alone: Pagemill, tmp_path: Path) -> None:
    numbered_pdf(tmp_path / "in/a.pdf", 3)
    (tmp_path / "in/b.pdf").write_bytes(b"")
    (tmp_path / "in/photo.jpg").write_bytes(b"a photo")

    status, output, _ = alone("run", tmp_path / "in", tmp_path / "out", "--dry-run")

    assert status == 0
    assert "a.pdf" in output
    assert "the file is empty" in output
    assert "2 documents, 3 pages; a run would read 3 of them" in output
    assert "1 image not read (1 .jpg)" in output
    assert "Estimate" not in output  # the embedded service costs nothing
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_dry_run_estimates_what_a_paid_endpoint_would_take_and_cost(alone: Pagemill, tmp_path: Path) -> None:
    numbered_pdf(tmp_path / "in/a.pdf", 100)

    status, output, _ = alone(
        "run", tmp_path / "in", tmp_path / "out", "--endpoint", "https://ocr.example", "--dry-run"
    )

    assert status == 0
    assert "700 tokens a page and 8 in flight, once it is awake: 0:03:27 h, $0.08." in " ".join(output.split())


def test_bad_files_each_get_a_clear_line_and_exit_code_3_without_any_prefect_server(
    alone: Pagemill, tmp_path: Path, endpoint: Endpoint
) -> None:
    numbered_pdf(tmp_path / "in/good.pdf", 2)
    (tmp_path / "in/empty.pdf").write_bytes(b"")
    (tmp_path / "in/picture.pdf").write_bytes(b"\x89PNG")
    (tmp_path / "in/photo.jpg").write_bytes(b"a photo")

    status, output, errors = alone("run", tmp_path / "in", tmp_path / "out", "--endpoint", endpoint.url, "--json")

    assert status == 3
    summary = json.loads(output.splitlines()[-1])
    assert list(summary) == [
        *("run_id", "documents", "pages", "ok", "blank", "text_layer", "fallback", "failed", "suspects", "reused"),
        *(
            "requests",
            "seconds",
            "pages_per_second",
            "cost_usd",
            "destination",
            "documents_failed",
            "documents_unfinished",
        ),
        *("images_not_read", "error", "error_type", "failures", "suspect_pages"),
    ]
    assert (summary["documents"], summary["pages"], summary["ok"]) == (3, 2, 2)
    assert (summary["documents_failed"], summary["documents_unfinished"]) == (2, 0)
    assert {failure["document"]: failure["page"] for failure in summary["failures"]} == {
        "empty.pdf": None,
        "picture.pdf": None,
    }
    assert summary["images_not_read"] == {".jpg": 1}
    assert "1 image not read (1 .jpg)" in errors
    assert "(2 documents unreadable)" in errors
    assert "empty.pdf: the file is empty (0 bytes); fetch it again" in errors
    assert "picture.pdf: not a PDF" in errors
    assert "Traceback" not in errors


def test_an_endpoint_that_never_answers_exits_with_4(
    alone: Pagemill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_WAKE_SECONDS", "0.5")
    numbered_pdf(tmp_path / "in/a.pdf", 2)

    with running_endpoint(0, "--cold", "600") as cold:
        status, _, errors = alone("run", tmp_path / "in", tmp_path / "out", "--endpoint", cold.url)

    assert status == 4
    assert "did not get ready within 0.5 s" in errors
    assert "Traceback" not in errors


def test_a_run_without_a_configured_server_does_not_import_prefect(tmp_path: Path, endpoint: Endpoint) -> None:
    numbered_pdf(tmp_path / "in/a.pdf", 2)
    script = f"""
import sys
from pagemill.cli.main import main

assert main(["run", "in", "out", "--endpoint", {endpoint.url!r}]) == 0
print(sorted({{"prefect", "prefect_gcp", "google", "uvicorn", "sqlalchemy"}} & set(sys.modules)))
"""

    output = subprocess.check_output(
        [sys.executable, "-c", script], text=True, cwd=tmp_path, env=_without_prefect(tmp_path)
    )

    assert output.splitlines()[-1] == "[]"
    assert (tmp_path / "out/a.pdf/document.md").is_file()
    assert not (tmp_path / "prefect-home").exists()


def test_without_prefect_a_run_reads_although_the_configured_server_is_away_and_says_what_that_means(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    numbered_pdf(tmp_path / "in/a.pdf", 2)

    status = main(["run", str(tmp_path / "in"), str(tmp_path / "out"), "--endpoint", endpoint.url, "--no-prefect"])

    said = capsys.readouterr()
    assert status == 0
    assert "1 document, 2 pages: 2 ok" in said.out
    assert "this run has slots of its own" in said.err


@pytest.mark.parametrize("through", [[], ["--prefect"]], ids=["configured", "asked for"])
def test_wrong_paths_are_told_before_prefect_is_imported(
    through: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    script = """
import sys
from pagemill.cli.main import main

assert main(["run", *sys.argv[1:]]) == 5
assert "--prefect" in sys.argv or "prefect" not in sys.modules  # a server of its own would be starting beside it
"""
    with socket.create_server(("127.0.0.1", 0)) as server:  # what listens there is not asked
        if not through:
            monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.getsockname()[1]}/api")
        environment = _without_prefect(tmp_path)
        for words in (["none", "out"], ["in", "/dev/null/out"]):
            command = [sys.executable, "-c", script, *words, "--endpoint", "http://127.0.0.1:9", *through]
            done = subprocess.run(command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_a_server_that_is_not_there_is_told_before_prefect_is_imported(tmp_path: Path) -> None:
    script = """
import sys
from pagemill.cli.main import main

assert main(["run", "in", "out"]) == 2
print("prefect" in sys.modules)
"""
    environment = {**_without_prefect(tmp_path), "PREFECT_API_URL": "http://me:secret@127.0.0.1:9/api"}

    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True)

    assert done.stdout.strip() == "False", done.stderr
    assert "nothing listens there. The URL comes from the variable PREFECT_API_URL" in done.stderr
    assert "secret" not in done.stderr


def test_a_block_with_credentials_needs_prefect_and_a_run_without_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PAGEMILL_GCP_CREDENTIALS_BLOCK", "production")

    assert main(["run", "gs://a", str(tmp_path / "out"), "--endpoint", "http://127.0.0.1:9"]) == 2

    said = capsys.readouterr().err
    assert "the block 'production' of a Prefect server, and this run uses none" in said
    assert "run with --prefect" in said


def _without_prefect(folder: Path) -> dict[str, str]:
    return {**os.environ, **_QUIET, "PREFECT_HOME": str(folder / "prefect-home")}


def _wait_until_sent(endpoint: Endpoint, pages: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while len(endpoint.sent) < pages:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two checks


@pytest.mark.slow
def test_a_killed_run_is_continued_with_the_same_text_and_at_most_the_pages_in_flight_are_sent_again(
    alone: Pagemill, tmp_path: Path, endpoint: Endpoint
) -> None:
    for name in ("a", "b", "c"):
        numbered_pdf(tmp_path / f"in/{name}.pdf", 30)
    arguments = ("run", tmp_path / "in", tmp_path / "out", "--endpoint", endpoint.url, "--json")

    with alone.start(*arguments) as process:
        _wait_until_sent(endpoint, 45, process)
        process.send_signal(signal.SIGKILL)
    status, output, _ = alone(*arguments)

    assert status == 0
    resent = sum(times - 1 for times in endpoint.sent.values())
    assert len(endpoint.sent) == 90
    assert 0 <= resent <= 8
    assert json.loads(output.splitlines()[-1])["reused"] >= 45 - 8

    undisturbed = tmp_path / "undisturbed"
    assert alone("run", tmp_path / "in", undisturbed, "--endpoint", endpoint.url)[0] == 0
    for name in ("a", "b", "c"):
        written = [(root / f"{name}.pdf/document.md").read_bytes() for root in (tmp_path / "out", undisturbed)]
        assert written[0] == written[1]

    before = endpoint.sent
    status, output, _ = alone(*arguments)
    assert status == 0
    assert json.loads(output.splitlines()[-1])["reused"] == 90
    assert endpoint.sent == before


def test_a_killed_run_leaves_no_process_behind(alone: Pagemill, tmp_path: Path, endpoint: Endpoint) -> None:
    arguments = ("run", _many_pages(tmp_path), tmp_path / "out", "--endpoint", endpoint.url)

    assert _nothing_is_left_of(alone.start(*arguments), endpoint)


def test_a_run_that_is_interrupted_while_its_server_starts_leaves_no_process_behind(
    alone: Pagemill, tmp_path: Path, slow_endpoint: Endpoint
) -> None:
    arguments = ("run", _many_pages(tmp_path), tmp_path / "out", "--endpoint", slow_endpoint.url, "--prefect")

    with alone.start(*arguments) as process:
        _wait_until_sent(slow_endpoint, 1, process)
        descendants = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        _, alive = psutil.wait_procs(descendants, timeout=60)

    assert process.returncode == 130
    assert "interrupted; finished pages are kept" in errors
    assert "Traceback" not in errors
    assert descendants
    assert not alive


@pytest.mark.flow
def test_a_killed_run_leaves_no_process_behind_not_even_prefects_server(
    with_its_own_server: Pagemill, tmp_path: Path, endpoint: Endpoint
) -> None:
    arguments = ("run", _many_pages(tmp_path), tmp_path / "out", "--endpoint", endpoint.url, "--prefect")

    assert _nothing_is_left_of(with_its_own_server.start(*arguments), endpoint)


def _many_pages(folder: Path) -> Path:
    write_pdf(folder / "in/a.pdf", [f"page {n}" for n in range(200)])
    return folder / "in"


def _nothing_is_left_of(started: subprocess.Popen[str], endpoint: Endpoint) -> bool:
    """Kill a run that reads pages; whether all its processes end."""
    with started as process:
        _wait_until_sent(endpoint, 20, process)
        descendants = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(descendants, timeout=60)
    return bool(descendants) and not alive


def test_an_interrupted_run_says_that_it_can_go_on_and_exits_with_130(
    alone: Pagemill, tmp_path: Path, slow_endpoint: Endpoint
) -> None:
    arguments = ("run", _many_pages(tmp_path), tmp_path / "out", "--endpoint", slow_endpoint.url)

    with alone.start(*arguments) as process:
        _wait_until_sent(slow_endpoint, 5, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "interrupted; finished pages are kept" in errors
    assert "Traceback" not in errors


@pytest.mark.flow
def test_an_interrupted_run_gives_its_slots_back_says_that_it_can_go_on_and_exits_with_130(
    pagemill: Pagemill, tmp_path: Path, slow_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_CONCURRENCY_LIMIT", "for the interrupted")
    monkeypatch.setenv("LIGHTONOCR_SERVICE_URL", slow_endpoint.url)
    write_pdf(tmp_path / "in/a.pdf", [f"page {n}" for n in range(6000)])
    _, registered, _ = pagemill("register", "--slots", "3")

    with pagemill.start("run", tmp_path / "in", tmp_path / "out") as process:
        _wait_until_sent(slow_endpoint, 20, process)
        outputs = (pagemill("doctor")[1] for _ in range(5))  # a run reports its slots within seconds
        held = next(output for output in outputs if "held by ocr " in output)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    status, left, _ = pagemill("doctor")

    assert process.returncode == 130
    assert "interrupted; finished pages are kept" in errors
    assert "Traceback" not in errors
    assert slow_endpoint.record()["most_in_flight"] == 3
    assert "concurrency limit 'for the interrupted', 3 slots: set" in registered
    assert re.search(r"'for the interrupted': \d of 3 taken; held by ocr ", held)
    assert status == 0
    assert "'for the interrupted': 0 of 3 taken; held by no run" in left


@pytest.mark.flow
def test_a_terminated_run_ends_as_an_interrupted_one_and_is_cancelled_in_prefect(
    pagemill: Pagemill, tmp_path: Path, slow_endpoint: Endpoint, prefect_api_url: str
) -> None:
    write_pdf(tmp_path / "in/a.pdf", [f"page {n}" for n in range(200)])

    with pagemill.start("run", tmp_path / "in", tmp_path / "out", "--endpoint", slow_endpoint.url) as process:
        _wait_until_sent(slow_endpoint, 5, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "interrupted; finished pages are kept" in errors
    assert "Traceback" not in errors
    assert asyncio.run(_state_of(f"ocr {tmp_path}/in", prefect_api_url)) == "Cancelled"


def test_a_run_that_waits_for_a_download_ends_in_order_after_the_first_signal(
    alone: Pagemill, tmp_path: Path, google: FakeGcs
) -> None:
    begun, released = threading.Event(), threading.Event()

    def hold(kind: str, _bucket: str, _key: str) -> Fault | None:
        if kind == "media":
            begun.set()
            released.wait()
        return None

    google.create_bucket("slow")
    google.put("slow", "a.pdf", numbered_pdf(tmp_path / "a.pdf", 3).read_bytes())
    google.fault = hold

    with alone.start("run", "gs://slow", tmp_path / "out", "--endpoint", "http://127.0.0.1:9") as process:
        try:
            assert begun.wait(120)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
        finally:
            released.set()

    assert process.returncode == 130
    assert "interrupted; finished pages are kept" in errors
    assert "Traceback" not in errors


async def _state_of(name: str, api_url: str) -> str | None:
    async with PrefectClient(api_url) as client:
        (run,) = await client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))
        return run.state_name


@pytest.mark.flow
async def test_a_run_whose_private_server_is_killed_reads_on_prints_its_summary_and_ends_by_what_was_read(
    with_its_own_server: Pagemill, tmp_path: Path
) -> None:
    write_pdf(tmp_path / "in/a.pdf", [f"page {n}" for n in range(100)])
    database, reading = tmp_path / "prefect-home/prefect.db", asyncio.Event()

    async with FakeEndpoint(
        lambda _: reading.set(), latency_seconds=0.05, healthy=lambda: _has_a_flow_run(database)
    ) as endpoint:
        arguments = ("run", tmp_path / "in", tmp_path / "out", "--endpoint", endpoint.url, "--json", "--prefect")
        with with_its_own_server.start(*arguments) as process:
            await asyncio.wait_for(reading.wait(), 240)
            (server,) = [child for child in psutil.Process(process.pid).children() if _SERVER in child.cmdline()]
            server.kill()
            output, errors = await asyncio.to_thread(process.communicate, timeout=120)

    assert process.returncode == 0, errors
    assert json.loads(output.splitlines()[-1])["ok"] == 100
    assert "the Prefect server does not answer any more" in errors
    assert "Traceback" not in errors
    assert "Error logging to API" not in errors


def _has_a_flow_run(database: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return bool(connection.execute("SELECT count(*) FROM flow_run").fetchone()[0])


@pytest.mark.flow
def test_registering_again_changes_nothing_and_a_run_without_the_limit_names_the_command_that_creates_it(
    pagemill: Pagemill, tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_CONCURRENCY_LIMIT", "not there yet")
    numbered_pdf(tmp_path / "in/a.pdf", 2)
    arguments = ("run", tmp_path / "in", tmp_path / "out", "--endpoint", endpoint.url)

    without, _, errors = pagemill(*arguments)
    first, second = pagemill("register")[1], pagemill("register")[1]

    assert without == 2
    assert "no concurrency limit 'not there yet'" in errors
    assert "pagemill register" in errors
    assert not endpoint.sent
    assert "8 slots: set" in first
    assert "8 slots: up to date" in second
    assert pagemill(*arguments)[0] == 0


def test_registering_without_a_prefect_server_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))

    assert main(["register"]) == 2

    errors = capsys.readouterr().err
    assert "no Prefect server is configured" in errors
    assert "export PREFECT_API_URL=" in errors

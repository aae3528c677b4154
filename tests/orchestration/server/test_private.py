"""Private servers: each run through Prefect without a configured one starts its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.fakes.ocr_process import running_endpoint
from tests.pdfs import numbered_pdf

_COMMAND = [sys.executable, "-P", "-m", "pagemill.orchestration.server.serving"]


def _started(home: Path, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", **variables}
    return subprocess.Popen(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.slow
def test_three_servers_that_start_at_once_on_a_new_machine_all_answer(tmp_path: Path) -> None:
    servers = [_started(tmp_path / "new") for _ in range(3)]
    try:
        for server in servers:
            assert server.stdout
            url = server.stdout.readline().strip()
            with urlopen(f"{url}/health", timeout=60) as answer:  # noqa: S310 -- our own http URL
                assert answer.read() == b"true"
    finally:
        for server in servers:
            server.kill()
            server.communicate()


@pytest.mark.slow
def test_a_server_that_cannot_start_is_one_line_with_its_last_words_and_costs_no_page(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_text("no database " * 100)
    numbered_pdf(tmp_path / "in/a.pdf", 2)
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "DO_NOT_TRACK": "1"}

    with running_endpoint(0) as endpoint:
        arguments = ["run", str(tmp_path / "in"), str(tmp_path / "out"), "--endpoint", endpoint.url, "--prefect"]
        command = [sys.executable, "-m", "pagemill", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)

    said = [line for line in done.stderr.splitlines() if "(Prefect is starting)" not in line]  # every ten seconds
    (line,) = said
    assert "the private Prefect server does not start: " in line
    assert "file is not a database" in line
    assert "this run goes on without Prefect" in line
    assert done.returncode == 0
    assert "1 document, 2 pages: 2 ok" in done.stdout

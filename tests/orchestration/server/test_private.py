"""Private servers: each run through Prefect without a configured one starts its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

_COMMAND = [sys.executable, "-P", "-m", "pagemill.orchestration.server.private"]


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


@pytest.mark.flow
def test_a_server_that_cannot_start_is_one_line_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_text("no database " * 100)
    (tmp_path / "in").mkdir()
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "DO_NOT_TRACK": "1"}

    done = subprocess.run(
        [sys.executable, "-m", "pagemill", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--prefect"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    said = [line for line in done.stderr.splitlines() if not line.startswith("starting: ")]  # every ten seconds
    (line,) = said
    assert done.returncode == 2
    assert "the private Prefect server does not start: " in line
    assert "file is not a database" in line

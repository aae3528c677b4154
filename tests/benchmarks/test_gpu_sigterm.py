from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu_service.load import Pages
from benchmarks.gpu_service.matrix import ready, served
from benchmarks.gpu_service.sigterm import terminate
from tests.benchmarks.conftest import GpuMachine

pytestmark = pytest.mark.slow  # starts a program that starts another


async def test_what_became_of_each_page_in_flight_and_when_the_server_ended_is_printed(
    machine: GpuMachine, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = {"label": "ours", "arguments": ["folder"], "environment": {}}
    with served(server, tmp_path, machine.gpu) as process:
        assert await ready(process, machine.url)
        await terminate(process, machine.url, Pages(images), "ours", before_seconds=0.1)

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(event["what"].startswith("page in flight: ") for event in events) == 8
    endings = [event["what"] for event in events if not event["what"].startswith(("page in flight", "new page"))]
    assert endings == ["the server has ended with status -15"]
    assert machine.ended()

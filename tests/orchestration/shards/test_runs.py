"""Shards are started, and started again, as soon as the Prefect server answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Completed, Crashed, Pending

from pagemill.config.run import read_settings
from pagemill.orchestration.shards import runs
from pagemill.wiring.batch import open_batch
from pagemill.wiring.parameters import OcrBatchParameters


class _FakePrefect:
    """As much of a server as the coordinator asks; it may be away for some requests."""

    def __init__(self, ends: list[State[Any]], statuses: list[int]) -> None:
        """Runs end with `ends`, in their order; requests for the deployment get `statuses`, and then 200."""
        self.started: list[FlowRun] = []
        self._ends = ends
        self._statuses = statuses
        self._deployment = DeploymentResponse(id=uuid4(), name="worker", flow_id=uuid4(), labels={})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line.split(":")[1]) for line in head.lower().split("\r\n") if "content-length" in line), 0)
        status, body = self._answer(head.split(" ")[1], json.loads(await reader.readexactly(length) or b"{}"))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()

    def _answer(self, path: str, asked: dict[str, Any]) -> tuple[int, str]:
        if path.endswith("/deployments/name/ocr-shard/worker"):
            return self._statuses.pop(0) if self._statuses else 200, self._deployment.model_dump_json()
        if path.endswith("/create_flow_run"):
            self.started.append(
                FlowRun(flow_id=self._deployment.flow_id, name=f"run {len(self.started)}", state=Pending())
            )
            return 201, self.started[-1].model_dump_json()
        if path.endswith("/flow_runs/filter"):
            wanted = {UUID(wanted) for wanted in asked["flow_runs"]["id"]["any_"]}
            ended = zip(self.started, self._ends, strict=False)
            found = [run.model_copy(update={"state": state}) for run, state in ended if run.id in wanted]
            return 200, f"[{','.join(run.model_dump_json() for run in found)}]"
        return 404, "{}"


@pytest.fixture
async def batch(tmp_path: Path) -> AsyncIterator[Any]:
    parameters = OcrBatchParameters(
        source=str(tmp_path), destination=str(tmp_path / "out"), endpoint="http://127.0.0.1:9"
    )
    async with open_batch(parameters, read_settings()) as opened:
        yield parameters, opened


@pytest.mark.parametrize("statuses", [[], [500, 500], [200, 500, 500]], ids=["never away", "at first", "after a crash"])
async def test_a_server_that_is_away_when_a_shard_is_started_is_waited_for(
    statuses: list[int], batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_POLL_SECONDS", 0.01)
    parameters, opened = batch
    prefect = _FakePrefect([Crashed(message="killed"), Completed()], [*statuses])
    server = await asyncio.start_server(prefect.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"

    async with server, PrefectClient(url) as client:
        shards = runs.ShardRuns(
            client, deployment="ocr-shard/worker", parameters=parameters, run_id="a-run", shards=1, batch=opened
        )
        await shards.run_to_completion()

    assert len(prefect.started) == 2  # it crashed once
    assert "shard 1 (run 1) ended as Completed" in str(shards.lost)

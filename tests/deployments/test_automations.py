"""What `register` sets up is done by a real server: dead runs are called dead, and somebody is told."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Failed, Running

from pagemill.deployments.automations import no_heartbeat
from pagemill.flows.ocr_batch import ocr_batch
from tests.deployments.operator import Operator

pytestmark = [pytest.mark.flow, pytest.mark.slow]

_PATIENCE_SECONDS = 120.0


class _Mailbox:
    """Takes what is posted to it."""

    def __init__(self) -> None:
        self.letters: list[dict[str, Any]] = []
        letters = self.letters

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                letters.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name in the library
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def mailbox() -> Iterator[_Mailbox]:
    opened = _Mailbox()
    yield opened
    opened.close()


async def _a_run(client: PrefectClient, *tags: str) -> FlowRun:
    return await client.create_flow_run(
        ocr_batch, parameters={"parameters": {"source": "in", "destination": "out"}}, tags=tags, state=Running()
    )


async def _beats(client: PrefectClient, run: UUID, *tags: str) -> None:
    """What a flow run's process says every minute."""
    related = [{"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"} for tag in tags]
    event = {
        "id": str(uuid4()),
        "occurred": dt.datetime.now(dt.UTC).isoformat(),
        "event": "prefect.flow-run.heartbeat",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
        "related": related,
        "payload": {},
    }
    await client.request("POST", "/events", json=[event])


async def test_somebody_is_told_of_our_runs_that_failed_and_of_no_others(
    operator: Operator, client: PrefectClient, mailbox: _Mailbox
) -> None:
    with temporary_settings({PREFECT_API_URL: operator.url}):
        block = CustomWebhookNotificationBlock(
            name="ops", url=mailbox.url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
        )
        await block.asave("ops")
    told = {"PAGEMILL_POOL_NOTIFICATION_BLOCK": "custom-webhook/ops"}
    registered = await operator.registers(environment=told)
    assert registered.returncode == 0, registered.stderr
    others, ours = await _a_run(client), await _a_run(client, "pagemill")

    for run in (others, ours):
        await client.set_flow_run_state(run.id, Failed(message="the disk is full"), force=True)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not mailbox.letters:  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.2)

    (letter,) = mailbox.letters
    assert letter["subject"] == f"pagemill: {ours.name} is Failed"
    assert "the disk is full" in letter["body"]
    assert str(ours.id) in letter["body"]


async def test_a_notification_block_that_is_not_there_is_named(operator: Operator) -> None:
    told = {"PAGEMILL_POOL_NOTIFICATION_BLOCK": "slack-webhook/nobody"}

    registered = await operator.registers(environment=told)

    assert registered.returncode == 2
    assert "there is no block slack-webhook/nobody" in registered.stderr


async def test_a_run_whose_heart_has_stopped_is_crashed_and_one_that_was_never_heard_is_left_alone(
    client: PrefectClient,
) -> None:
    automation = no_heartbeat()
    soon = automation.trigger.model_copy(update={"within": dt.timedelta(seconds=10)})
    await client.create_automation(automation.model_copy(update={"trigger": soon}))
    silent, dead = await _a_run(client, "pagemill"), await _a_run(client, "pagemill")

    async with asyncio.timeout(_PATIENCE_SECONDS):
        await _beats(client, dead.id, "pagemill")
        while (run := await client.read_flow_run(dead.id)).state_type != "CRASHED":  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.5)

    assert run.state
    assert run.state.message == "no heartbeat for 200 seconds"
    assert (await client.read_flow_run(silent.id)).state_type == "RUNNING"

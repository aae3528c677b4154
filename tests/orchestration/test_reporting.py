"""A Prefect server that takes no reports costs reports, never a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from pagemill.batch.progress import Progress
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.errors import EndpointNeverAnswered
from pagemill.orchestration.reporting import final_state, report, reporting

# Tests are no flow runs. To be one would need a server that answers.
pytestmark = pytest.mark.filterwarnings("ignore:Artifact creation outside of a flow")

_SUMMARY = RunSummary("a-run", 1, {}, 0, 0, 1.0, 0.0, "out", (DocumentOutcome("a.pdf", 0, {}, error="damaged"),))


@asynccontextmanager
async def _prefect_that_answers(answer: bytes) -> AsyncIterator[list[bytes]]:
    """A server that gives every request the same answer, and closes the connection; the requests as they come."""
    requests: list[bytes] = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readline())
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
            yield requests


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<ht>",
    ],
    ids=["too large", "broken", "a proxy that wants a password", "a page for people"],
)
async def test_a_server_that_refuses_reports_does_not_end_the_run(answer: bytes) -> None:
    async with _prefect_that_answers(answer) as requests:
        async with reporting(Progress()):
            pass
        await report(_SUMMARY)

    assert len(requests) >= 3


def test_the_state_of_a_run_that_ends_early_has_a_message_of_bounded_length() -> None:
    stopped = RunSummary("a-run", 0, {}, 0, 0, 1.0, 0.0, "out", (), EndpointNeverAnswered("<html>" * 100_000))

    assert len(final_state(stopped).message or "") <= 2000


def test_a_run_without_a_summary_was_cancelled() -> None:
    assert final_state(None).is_cancelled()

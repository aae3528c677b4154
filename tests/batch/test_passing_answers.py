"""Answers that pass, answers that last, and what the endpoint asks for: a page is lost only if it is the cause."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import EndpointNeverAnswered, UsageError
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint, Request, failing, image_name, on_the_wire, without_end

_NOT_THERE = [404, 405, 410, 421, 425]


def _first(times: int, answer: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: answer if request.index <= times else None


@pytest.mark.parametrize("status", _NOT_THERE)
async def test_an_answer_of_a_front_end_without_its_service_costs_time_and_no_page(mill: Mill, status: int) -> None:
    mill.add("a.pdf", "6")

    async with FakeEndpoint(lambda request: failing(status) if request.index in {2, 5, 6} else None) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 6}
    assert exit_code(summary) is ExitCode.DONE
    assert endpoint.record.requests == 9


@pytest.mark.parametrize("status", _NOT_THERE)
async def test_a_page_that_gets_such_an_answer_every_time_while_others_are_read_fails_alone(
    mill: Mill, status: int
) -> None:
    mill.add("a.pdf", "6")
    bad = image_name(b"a.pdf 2")

    async with FakeEndpoint(lambda request: failing(status) if request.image == bad else None) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 5, Status.FAILED: 1}
    assert f"{status} On order" in summary.outcomes[0].failures[2]
    assert "(5 times)" in summary.outcomes[0].failures[2]


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
@pytest.mark.parametrize("answer", [failing(404), failing(410), failing(425), Answer(kind="raw", text="<html>")])
async def test_a_list_of_models_that_is_gone_while_a_service_restarts_is_waited_for(
    mill: Mill, answer: Answer, path: str
) -> None:
    mill.add("a.pdf", "6")
    away = 0

    def of_page(request: Request) -> Answer | None:
        nonlocal away
        if request.index != 3:
            return None
        away = 5
        return failing(503)

    def of_probe(asked: str) -> Answer | None:
        nonlocal away
        away -= asked == path
        return answer if away > 0 and asked == path else None

    async with FakeEndpoint(of_page, probe_fault=of_probe) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 6}
    assert exit_code(summary) is ExitCode.DONE


async def test_an_endpoint_that_lists_models_and_knows_no_page_ends_the_run_soon_as_wrong_usage(mill: Mill) -> None:
    mill.patience = replace(mill.patience, absent_seconds=0.2, silence_seconds=600)
    mill.add("a.pdf", "6")

    async with FakeEndpoint(lambda _: failing(404, "The model does not support Chat Completions API")) as endpoint:
        summary = await mill.run(endpoint)

    assert isinstance(summary.stopped_by, UsageError)
    assert "does not support Chat Completions API; check the URL" in str(summary.stopped_by)
    assert not summary.statuses[Status.FAILED]


async def test_an_endpoint_that_has_read_a_page_is_waited_for_longer(mill: Mill) -> None:
    mill.patience = replace(mill.patience, absent_seconds=0.0, silence_seconds=0.3)
    mill.add("a.pdf", "6")

    async with FakeEndpoint(lambda request: failing(404) if request.index > 2 else None) as endpoint:
        summary = await mill.run(endpoint)

    assert isinstance(summary.stopped_by, EndpointNeverAnswered)
    assert "read no page for 0.3 s" in str(summary.stopped_by)
    assert +Counter(summary.statuses) == {Status.OK: 2}


@pytest.mark.parametrize("status", [302, 307, 400, 402, 405, 407, 418])
async def test_whatever_health_answers_no_document_is_to_blame(mill: Mill, status: int) -> None:
    for name in "abcd":
        mill.add(f"{name}.pdf", "30")

    async with FakeEndpoint(
        probe_fault=lambda path: failing(status, Location="https://b.example/") if path == "/health" else None
    ) as endpoint:
        summary = await mill.run(endpoint)

    assert not summary.statuses[Status.FAILED]
    assert not any(outcome.error for outcome in summary.outcomes)
    if status == 405:  # it has no such path: its models decide
        assert exit_code(summary) is ExitCode.DONE
    else:
        assert exit_code(summary) is ExitCode.WRONG_USAGE
        assert f"{status}" in str(summary.stopped_by)


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
async def test_a_redirect_in_mid_run_ends_it_with_the_address_and_keeps_what_is_read(mill: Mill, status: int) -> None:
    mill.add("a.pdf", "20")
    moved = failing(status, Location="https://user:secret@b.example/v1?token=secret")

    async with FakeEndpoint(lambda request: moved if request.index > 10 else None) as endpoint:
        summary = await mill.run(endpoint)

    assert exit_code(summary) is ExitCode.WRONG_USAGE
    assert "https://b.example/v1;" in str(summary.stopped_by)
    assert "secret" not in str(summary.stopped_by)
    assert +Counter(summary.statuses) == {Status.OK: 10}


async def _probes_while_ill(mill: Mill, retry_after: str, seconds: float) -> tuple[int, RunSummary]:
    """How often an endpoint is asked that is ill for some seconds from the first probe on."""
    mill.patience = replace(
        mill.patience, wake_seconds=60, silence_seconds=60, longest_probe_seconds=0.1, longest_retry_after_seconds=0.2
    )
    mill.add("a.pdf", "3")
    first: list[float] = []

    def of_probe(path: str) -> Answer | None:
        first.append(time.monotonic())
        ill = time.monotonic() < first[0] + seconds and path == "/health"
        return failing(503, **{"Retry-After": retry_after}) if ill else None

    async with FakeEndpoint(probe_fault=of_probe) as endpoint:
        summary = await mill.run(endpoint)
    return endpoint.record.paths["/health"], summary


@pytest.mark.parametrize("retry_after", ["0", "-1", "soon", "", "Mon, 01 Jan 2024 00:00:00 GMT", "000"])
async def test_retry_after_no_time_at_all_keeps_the_usual_pauses_between_probes(mill: Mill, retry_after: str) -> None:
    probes, summary = await _probes_while_ill(mill, retry_after, 0.6)

    assert summary.complete
    assert probes <= 7 + 0.6 / 0.05  # each pause twice the one before, then 0.1 s


@pytest.mark.parametrize("retry_after", ["31536000", "9" * 30, "Fri, 01 Jan 2100 00:00:00 GMT"])
async def test_retry_after_a_year_is_tried_again_after_minutes(mill: Mill, retry_after: str) -> None:
    probes, summary = await _probes_while_ill(mill, retry_after, 0.3)

    assert summary.complete
    assert 2 <= probes <= 4


async def test_an_endpoint_that_asks_for_more_time_than_there_is_gets_a_last_probe(mill: Mill) -> None:
    mill.patience = replace(mill.patience, silence_seconds=0.3, longest_retry_after_seconds=600)
    mill.add("a.pdf", "6")
    busy = failing(503, **{"Retry-After": "31536000"})

    async with FakeEndpoint(lambda request: busy if request.index == 3 else None) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.complete
    assert summary.stopped_by is None


async def test_pages_that_are_to_be_sent_again_at_once_are_sent_after_growing_pauses(mill: Mill) -> None:
    mill.patience = replace(mill.patience, longest_pause_seconds=0.1, probe_seconds=0.01)
    mill.add("a.pdf", "1")
    sent: list[float] = []

    def of_page(request: Request) -> Answer | None:
        sent.append(time.monotonic())
        return failing(429, **{"Retry-After": "0"}) if request.index <= 6 else None

    async with FakeEndpoint(of_page) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.complete
    assert sent[6] - sent[2] >= 4 * 0.1 / 4  # from the third failure on


@pytest.mark.parametrize(
    ("url", "kind", "says"),
    [
        ("http://127.0.0.1:9", EndpointNeverAnswered, "nothing listens at"),
        ("http://localhost:9/v1", EndpointNeverAnswered, "nothing listens at"),
    ],
)
async def test_a_service_that_was_not_started_ends_the_run_at_once(
    mill: Mill, url: str, kind: type[Exception], says: str
) -> None:
    mill.patience = replace(mill.patience, wake_seconds=600)
    mill.add("a.pdf", "3")
    mill.url = url

    summary = await mill.run()

    assert isinstance(summary.stopped_by, kind)
    assert says in str(summary.stopped_by)


@pytest.mark.parametrize(
    "answer",
    [
        without_end(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536),
        without_end(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" ", 0.01),
        on_the_wire(b"HTTP/1.1 500 X\r\nContent-Type: text/plain; charset=hex\r\nContent-Length: 2\r\n\r\nzz"),
        on_the_wire(b"HTTP/1.1 400 X\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60000),
        on_the_wire(b"rubbish\r\n\r\n"),
        on_the_wire(),
    ],
    ids=["endless", "drip", "charset", "nested", "rubbish", "nothing"],
)
async def test_an_answer_that_is_none_costs_its_page_at_most(mill: Mill, answer: Answer) -> None:
    mill.answer_seconds = 0.3
    mill.add("a.pdf", "5")
    bad = image_name(b"a.pdf 2")

    async with FakeEndpoint(lambda request: answer if request.image == bad else None) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 4, Status.FAILED: 1}
    assert list(summary.outcomes[0].failures) == [2]

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from benchmarks.gpu_service.load import Load, Pages, measure, texts
from benchmarks.gpu_service.pages import render
from tests.fakes.ocr_endpoint import MODEL, RESET, FakeEndpoint, failing, image_name, text_of

_NAMES = [image_name(b"page %d" % number) for number in range(3)]


@pytest.fixture
def pages(images: Path) -> Pages:
    return Pages(images)


@pytest.mark.parametrize(
    ("text", "load"),
    [
        ("48:8:700", Load(pages=48, in_flight=8, tokens=700, temperature=0.2)),
        ("24:4:16:0", Load(pages=24, in_flight=4, tokens=16, temperature=0)),
        ("1:1:16:0.7", Load(pages=1, in_flight=1, tokens=16, temperature=0.7)),
        ("1:1:16:0.7:logprobs", Load(pages=1, in_flight=1, tokens=16, temperature=0.7, option="logprobs")),
    ],
)
def test_a_load_is_pages_in_flight_and_tokens_and_perhaps_a_temperature_and_an_option(text: str, load: Load) -> None:
    assert Load.parse(text) == load


async def test_all_pages_are_sent_and_again_from_the_first_where_there_are_too_few(pages: Pages) -> None:
    async with FakeEndpoint() as endpoint:
        measured = await measure(endpoint.url, pages, Load(7, 2, 16))

    assert endpoint.record.sent == dict(zip(_NAMES, (3, 2, 2), strict=True))
    assert (measured.errors, measured.first_error, measured.prompt_tokens) == (0, "", 2145)
    assert measured.answer_tokens == len(text_of(_NAMES[0]).split())
    assert measured.pages_per_second > 0
    assert 0 < measured.median_seconds <= measured.slowest_seconds


async def test_the_first_token_takes_as_long_as_the_server_says_of_this_load_alone(pages: Pages) -> None:
    async with FakeEndpoint(latency_seconds=0.2) as slow:
        await measure(slow.url, pages, Load(4, 4, 16))
        slow.record.spans = [(0.0, 7.0)] * 3  # before
        before = len(slow.record.spans)
        measured = await measure(slow.url, pages, Load(5, 2, 16))
        spans = slow.record.spans[before:]

    assert measured.first_token_seconds == pytest.approx(sum(end - start for start, end in spans) / 5)


async def test_a_server_without_metrics_is_measured_all_the_same(pages: Pages) -> None:
    async with FakeEndpoint(probe_fault=lambda _: failing(404)) as endpoint:
        measured = await measure(endpoint.url, pages, Load(2, 1, 16))

    assert (measured.errors, measured.first_token_seconds) == (0, 0.0)


@pytest.mark.parametrize("in_flight", [1, 4])
async def test_so_many_pages_are_in_flight_as_were_asked_for_and_never_more(pages: Pages, in_flight: int) -> None:
    async with FakeEndpoint(first_wait_for=in_flight, latency_seconds=0.01) as endpoint:
        measured = await measure(endpoint.url, pages, Load(12, in_flight, 16))

    assert endpoint.record.most_in_flight == in_flight
    assert (endpoint.record.requests, measured.errors) == (12, 0)


async def test_every_answer_is_as_long_and_as_random_as_the_load_says(pages: Pages) -> None:
    async with FakeEndpoint() as endpoint:
        await measure(endpoint.url, pages, Load.parse("3:2:300:0.7"))

    assert len(endpoint.record.bodies) == 3
    for body in endpoint.record.bodies:
        assert (body["max_tokens"], body["ignore_eos"]) == (300, True)
        assert (body["temperature"], body["top_p"], body["model"]) == (0.7, 0.9, MODEL)
        assert [part["type"] for part in body["messages"][0]["content"]] == ["image_url"]


async def test_an_option_of_a_load_is_a_parameter_of_every_request(pages: Pages) -> None:
    async with FakeEndpoint() as endpoint:
        await measure(endpoint.url, pages, Load.parse("2:1:16:0.2:logprobs-5"))
        await measure(endpoint.url, pages, Load.parse("1:1:16:0.2:repetition"))

    assert [body.get("top_logprobs") for body in endpoint.record.bodies] == [5, 5, None]
    assert endpoint.record.bodies[2]["repetition_detection"]["min_count"] == 12


async def test_errors_are_counted_and_told_by_the_first_and_end_nothing(pages: Pages) -> None:
    faults = {2: failing(503), 4: RESET}
    async with FakeEndpoint(lambda request: faults.get(request.index)) as endpoint:
        measured = await measure(endpoint.url, pages, Load(6, 1, 16))

    assert (endpoint.record.requests, measured.errors) == (6, 2)
    assert measured.first_error.startswith("HTTPStatusError(")
    assert "503" in measured.first_error
    assert (measured.pages_per_second > 0, measured.prompt_tokens) == (True, 2145)


async def test_where_nobody_answers_all_pages_are_errors_and_none_was_read(pages: Pages) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        measured = await measure(f"http://127.0.0.1:{silent.getsockname()[1]}", pages, Load(3, 2, 16))

    assert measured.errors == 3
    assert measured.first_error.startswith("ConnectError(")
    assert (measured.pages_per_second, measured.median_seconds, measured.slowest_seconds) == (0, 0, 0)


async def test_texts_are_in_the_order_of_the_pages_and_the_likeliest_ones(pages: Pages) -> None:
    async with FakeEndpoint(first_wait_for=2, latency_seconds=0.01) as endpoint:
        said = await texts(endpoint.url, pages, count=5, in_flight=2, tokens=8)

    assert said == [text_of(_NAMES[index % 3]) for index in range(5)]
    assert endpoint.record.most_in_flight == 2
    sampling = {(body["temperature"], body["max_tokens"], body["ignore_eos"]) for body in endpoint.record.bodies}
    assert sampling == {(0, 8, True)}


def test_a_sample_becomes_an_image_for_each_page_that_has_ink(samples: Path, tmp_path: Path) -> None:
    asyncio.run(render([samples / "blank-between.pdf"], tmp_path))

    drawn = sorted(tmp_path.iterdir())
    assert [path.name for path in drawn] == ["blank-between-01.png", "blank-between-03.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)

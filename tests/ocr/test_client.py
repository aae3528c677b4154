from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pagemill.domain.pages.model import Recipe
from pagemill.errors import (
    EndpointUnavailable,
    MalformedAnswer,
    PagemillError,
    RequestRejected,
    UsageError,
)
from pagemill.ocr.client import OpenAiRecognizer
from tests.fakes.ocr_endpoint import HANG, MODEL, RESET, Answer, FakeEndpoint, failing


@asynccontextmanager
async def _recognizer(url: str, **options: float) -> AsyncIterator[OpenAiRecognizer]:
    async def locate() -> str:
        return url

    async with OpenAiRecognizer(locate, recipe=Recipe(MODEL), **options) as recognizer:  # type: ignore[arg-type]
        yield recognizer


async def test_a_request_holds_the_image_the_sampling_and_nothing_else() -> None:
    async with FakeEndpoint() as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.probe()
        await recognizer.read(b"png", max_tokens=4096)

    (body,) = endpoint.record.bodies
    assert body == {
        "model": "lightonai/LightOnOCR-2-1B",
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 4096,
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}
        ],
    }


async def test_a_transcript_is_verbatim_with_its_token_counts() -> None:
    answer = Answer(text=" two words\n", finish_reason="length")
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(f"{endpoint.url}/v1/") as recognizer:
        await recognizer.probe()
        transcript = await recognizer.read(b"png", max_tokens=2)

    assert (transcript.markdown, transcript.finish_reason) == (" two words\n", "length")
    assert (transcript.prompt_tokens, transcript.completion_tokens) == (2145, 2)


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (failing(500, "engine died"), EndpointUnavailable, "500 On order: engine died"),
        (failing(429), EndpointUnavailable, "429"),
        (failing(503), EndpointUnavailable, "503"),
        (RESET, EndpointUnavailable, "ReadError|RemoteProtocolError"),
        (HANG, EndpointUnavailable, "ReadTimeout"),
        (failing(400, "cannot identify image"), RequestRejected, "cannot identify image"),
        (failing(413), RequestRejected, "413"),
        (failing(403), UsageError, "PAGEMILL_API_KEY"),
        (Answer(kind="raw", text='{"choices": [{"mess'), MalformedAnswer, "no chat completion"),
        (Answer(kind="raw", text='{"choices": []}'), MalformedAnswer, "no choices"),
        (Answer(kind="raw", text="<html>"), MalformedAnswer, "<html>"),
    ],
)
async def test_each_fault_becomes_the_error_of_its_kind(answer: Answer, error: type[PagemillError], says: str) -> None:
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url, answer_seconds=0.2) as recognizer:
        await recognizer.probe()

        with pytest.raises(error, match=says):
            await recognizer.read(b"png", max_tokens=4096)


@pytest.mark.parametrize(
    ("answer", "may_be_the_cause"),
    [(failing(500), True), (failing(503), True), (RESET, True), (HANG, True), (failing(429), False)],
)
async def test_a_page_may_be_the_cause_of_every_failure_except_a_busy_endpoint(
    answer: Answer, *, may_be_the_cause: bool
) -> None:
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url, answer_seconds=0.2) as recognizer:
        await recognizer.probe()

        with pytest.raises(EndpointUnavailable) as trouble:
            await recognizer.read(b"png", max_tokens=4096)

    assert trouble.value.page_may_be_the_cause is may_be_the_cause


async def test_a_page_that_never_reached_the_endpoint_is_not_the_cause() -> None:
    async with FakeEndpoint() as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.probe()
        await endpoint.__aexit__(None, None, None)

        with pytest.raises(EndpointUnavailable) as trouble:
            await recognizer.read(b"png", max_tokens=4096)

    assert not trouble.value.page_may_be_the_cause


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"Retry-After": "7"}, 7), ({"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}, 0), ({}, None)]
    + [({"Retry-After": nonsense}, None) for nonsense in ("soon", "-1", "1e3", "")],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(header: dict[str, str], seconds: float | None) -> None:
    async with FakeEndpoint(lambda _: failing(503, **header)) as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.probe()

        with pytest.raises(EndpointUnavailable) as trouble:
            await recognizer.read(b"png", max_tokens=4096)

    assert trouble.value.retry_after_seconds == seconds


async def test_content_that_is_null_is_an_empty_text() -> None:
    body = {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}
    answer = Answer(kind="raw", text=json.dumps(body))
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.probe()

        assert (await recognizer.read(b"png", max_tokens=1)).markdown == ""


async def test_an_endpoint_that_is_not_healthy_is_not_asked_for_its_models() -> None:
    async with FakeEndpoint(healthy=lambda: False) as endpoint, _recognizer(endpoint.url) as recognizer:
        with pytest.raises(EndpointUnavailable, match="503"):
            await recognizer.probe()

    assert endpoint.record.paths == {"/health": 1}


async def test_an_endpoint_that_cannot_be_reached_is_named() -> None:
    async with _recognizer("http://127.0.0.1:9") as recognizer:
        with pytest.raises(EndpointUnavailable, match=r"127\.0\.0\.1:9/health gives no answer: ConnectError"):
            await recognizer.probe()


async def test_prove_sends_a_small_image_and_asks_for_one_token() -> None:
    async with FakeEndpoint() as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.probe()
        await recognizer.prove()

    assert [body["max_tokens"] for body in endpoint.record.bodies] == [1]


async def test_an_endpoint_with_another_model_is_refused_before_a_page_is_sent() -> None:
    async with FakeEndpoint(model="other/model") as endpoint, _recognizer(endpoint.url) as recognizer:
        with pytest.raises(UsageError, match=r"serves other/model; set PAGEMILL_MODEL"):
            await recognizer.probe()

    assert endpoint.record.requests == 0

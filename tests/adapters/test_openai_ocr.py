from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pagemill.adapters.openai_ocr import OpenAiRecognizer
from pagemill.domain.model import Recipe
from pagemill.errors import (
    EndpointNeverAnswered,
    EndpointUnavailable,
    MalformedAnswer,
    PagemillError,
    RequestRejected,
    UsageError,
)
from tests.fakes.ocr_endpoint import HANG, MODEL, RESET, Answer, FakeEndpoint, failing


@asynccontextmanager
async def _recognizer(url: str, **options: float) -> AsyncIterator[OpenAiRecognizer]:
    async def locate() -> str:
        return url

    async with OpenAiRecognizer(locate, recipe=Recipe(MODEL), **options) as recognizer:  # type: ignore[arg-type]
        yield recognizer


async def test_a_request_holds_the_image_the_sampling_and_nothing_else() -> None:
    async with FakeEndpoint() as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.wake()
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
        await recognizer.wake()
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
async def test_each_fault_becomes_the_error_that_says_whose_it_is(
    answer: Answer, error: type[PagemillError], says: str
) -> None:
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url, answer_seconds=0.2) as recognizer:
        await recognizer.wake()

        with pytest.raises(error, match=says):
            await recognizer.read(b"png", max_tokens=4096)


async def test_content_that_is_null_is_an_empty_text() -> None:
    body = {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}
    answer = Answer(kind="raw", text=json.dumps(body))
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.wake()

        assert (await recognizer.read(b"png", max_tokens=1)).markdown == ""


async def test_waking_waits_until_the_endpoint_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pagemill.adapters.openai_ocr._POLL_SECONDS", 0.01)

    async with FakeEndpoint(healthy=_after(3)) as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.wake()

    assert endpoint.record.paths["/health"] == 4


async def test_an_endpoint_that_is_not_there_is_given_up_at_the_deadline() -> None:
    async with _recognizer("http://127.0.0.1:9", wake_seconds=0.1) as recognizer:
        with pytest.raises(EndpointNeverAnswered, match=r"127\.0\.0\.1:9 did not get ready within 0\.1 s"):
            await recognizer.wake()


async def test_an_endpoint_with_another_model_is_told_apart_before_any_page_is_sent() -> None:
    async with FakeEndpoint(model="other/model") as endpoint, _recognizer(endpoint.url) as recognizer:
        with pytest.raises(UsageError, match=r"serves other/model; set PAGEMILL_MODEL"):
            await recognizer.wake()

    assert endpoint.record.requests == 0


def _after(refusals: int) -> Callable[[], bool]:
    asked = 0

    def healthy() -> bool:
        nonlocal asked
        asked += 1
        return asked > refusals

    return healthy

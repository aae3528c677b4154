from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pagemill.domain.pages.model import Recipe, Sampling
from pagemill.errors import (
    EndpointNotFound,
    EndpointUnavailable,
    MalformedAnswer,
    NothingListens,
    PagemillError,
    RequestRejected,
    UsageError,
)
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.ocr.exchange import Exchange
from tests.fakes.ocr_endpoint import HANG, MODEL, RESET, Answer, FakeEndpoint, Request, failing


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


async def test_an_endpoint_that_refuses_to_end_loops_is_asked_for_it_once_and_reads_the_page_without() -> None:
    asked: list[bool] = []

    def of_page(request: Request) -> Answer | None:
        asked.append("repetition_detection" in request.body)
        return failing(400, "Unrecognized request argument supplied") if asked[-1] else Answer(text="read")

    async with FakeEndpoint(of_page) as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.probe()
        texts = [
            (await recognizer.read(b"png", max_tokens=9, sampling=Sampling(0.6, ends_loops=True))).markdown
            for _ in range(3)
        ]

    assert texts == ["read"] * 3
    assert asked == [True, False, False, False]
    assert endpoint.record.bodies[-1]["temperature"] == 0.6
    assert endpoint.record.bodies[-1]["top_p"] == 0.9


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
        (HANG, EndpointUnavailable, "took longer than 0.2 s to answer"),
        (failing(400, "cannot identify image"), RequestRejected, "cannot identify image"),
        (failing(413), RequestRejected, "413"),
        *((failing(status), EndpointNotFound, str(status)) for status in (404, 405, 410)),
        *((failing(status), EndpointUnavailable, str(status)) for status in (408, 421, 425)),
        (failing(402), UsageError, "paid or topped up"),
        (failing(407), UsageError, "HTTPS_PROXY"),
        (
            failing(301, Location="https://user:secret@b.example/x?token=secret#secret"),
            UsageError,
            r"to https://b\.example/x;",
        ),
        (failing(302, Location="/x, https://user:secret@b.example/x"), UsageError, "points to no other address"),
        (failing(302, Location="http://[bad"), UsageError, "points to no other address"),
        (failing(304), UsageError, "304 and points to no other address"),
        (failing(307, Location="/login"), UsageError, "points to /login;"),
        (failing(403), UsageError, "PAGEMILL_API_KEY"),
        (Answer(kind="raw", text='{"choices": [{"mess'), MalformedAnswer, "no chat completion"),
        (Answer(kind="raw", text='{"choices": []}'), MalformedAnswer, "no choices"),
        (Answer(kind="raw", text="<html>"), MalformedAnswer, "<html>"),
    ],
)
async def test_each_fault_becomes_the_error_of_its_kind(answer: Answer, error: type[PagemillError], says: str) -> None:
    async with (
        FakeEndpoint(lambda _: answer) as endpoint,
        _recognizer(endpoint.url, answer_seconds=0.2 if answer is HANG else 30.0) as recognizer,
    ):
        await recognizer.probe()

        with pytest.raises(error, match=says):
            await recognizer.read(b"png", max_tokens=4096)


@pytest.mark.parametrize(
    ("answer", "may_be_the_cause"),
    [
        *((answer, True) for answer in (failing(500), failing(503), RESET, HANG, failing(404), failing(425))),
        *((failing(status), False) for status in (408, 429)),
    ],
)
async def test_a_page_may_be_the_cause_of_every_failure_except_a_busy_endpoint(
    answer: Answer, *, may_be_the_cause: bool
) -> None:
    async with (
        FakeEndpoint(lambda _: answer) as endpoint,
        _recognizer(endpoint.url, answer_seconds=0.2 if answer is HANG else 30.0) as recognizer,
    ):
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
    + [({"Retry-After": long}, float(long)) for long in ("31536000", "9" * 30)]
    + [
        ({"Retry-After": nonsense}, None)
        for nonsense in ("soon", "-1", "1e3", "", "²", "Mon, 99", ",", "0" * 9999 + "x")
    ],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(header: dict[str, str], seconds: float | None) -> None:
    async with FakeEndpoint(lambda _: failing(503, **header)) as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.probe()

        with pytest.raises(EndpointUnavailable) as trouble:
            await recognizer.read(b"png", max_tokens=4096)

    assert trouble.value.retry_after_seconds == seconds


async def test_half_a_text_of_a_server_that_is_told_to_stop_is_no_answer_to_the_page() -> None:
    answer = Answer(text="half a", finish_reason="abort")
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url) as recognizer:
        await recognizer.probe()
        with pytest.raises(EndpointUnavailable, match="when it is told to stop") as failed:
            await recognizer.read(b"png", max_tokens=4096)

    assert failed.value.page_may_be_the_cause


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


async def test_an_address_of_this_machine_where_nothing_listens_is_named_with_what_to_do() -> None:
    async with _recognizer("http://127.0.0.1:9") as recognizer:
        with pytest.raises(
            NothingListens, match=r"nothing listens at http://127\.0\.0\.1:9/health: .*--endpoint local"
        ):
            await recognizer.probe()


@pytest.mark.parametrize("status", [404, 405, 410])
async def test_an_endpoint_without_health_is_asked_for_its_models(status: int) -> None:
    async with (
        FakeEndpoint(probe_fault=lambda path: failing(status) if path == "/health" else None) as endpoint,
        _recognizer(endpoint.url) as recognizer,
    ):
        await recognizer.probe()

    assert endpoint.record.paths == {"/health": 1, "/v1/models": 1}


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
@pytest.mark.parametrize("status", [400, 406, 418, 302, 401, 402, 403, 407])
async def test_what_no_ocr_endpoint_answers_to_a_probe_is_wrong_usage_with_the_cause(path: str, status: int) -> None:
    async with (
        FakeEndpoint(probe_fault=lambda asked: failing(status, "I'm a teapot") if asked == path else None) as endpoint,
        _recognizer(endpoint.url) as recognizer,
    ):
        with pytest.raises(UsageError, match=f"{status}") as error:
            await recognizer.probe()

    assert "the page" not in str(error.value)


@pytest.mark.parametrize(
    "answer", [failing(404), failing(410), Answer(kind="raw", text="<html>"), Answer(kind="raw", text="{}")]
)
async def test_an_address_without_a_list_of_models_is_no_endpoint(answer: Answer) -> None:
    async with (
        FakeEndpoint(probe_fault=lambda path: answer if path == "/v1/models" else None) as endpoint,
        _recognizer(endpoint.url) as recognizer,
    ):
        with pytest.raises(EndpointNotFound, match=r"does not list models.* answers .*check the endpoint's URL"):
            await recognizer.probe()


@pytest.mark.parametrize("key", ["key\n", "two words", "schlüssel", "\x00"])
async def test_a_key_that_no_header_can_hold_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(UsageError, match="PAGEMILL_API_KEY holds") as error:
        Exchange(api_key=key, auth=None, connections=1)

    assert key not in str(error.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "http://[bad]"),
        ("HTTP_PROXY", "ftp://proxy.example"),
        ("ALL_PROXY", "http://proxy.example:port"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
    ],
)
async def test_a_variable_of_the_http_client_that_is_wrong_is_wrong_usage(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(UsageError, match=f"{variable}.* is wrong: "):
        Exchange(api_key="", auth=None, connections=1)


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

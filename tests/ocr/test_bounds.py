"""Answers without an end, in bytes or in time, and answers that no parser takes: none costs more than a bound."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from pagemill.domain.pages.model import Recipe
from pagemill.errors import EndpointUnavailable, MalformedAnswer, PagemillError, RequestRejected
from pagemill.ocr.client import OpenAiRecognizer
from tests.fakes.ocr_endpoint import MODEL, Answer, FakeEndpoint, on_the_wire, without_end

_MIB = 2**20
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_BOMB = gzip.compress(bytes(64 * _MIB))


@asynccontextmanager
async def _recognizer(url: str, answer_seconds: float = 5.0) -> AsyncIterator[OpenAiRecognizer]:
    async def locate() -> str:
        return url

    async with OpenAiRecognizer(locate, recipe=Recipe(MODEL), answer_seconds=answer_seconds) as recognizer:
        await recognizer.probe()
        yield recognizer


def _answer(body: bytes, status: int = 200, head: bytes = b"") -> Answer:
    length = f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\n".encode()
    return on_the_wire(length + head + b"\r\n" + body)


def _completion(**more: object) -> bytes:
    choice = {"message": {"content": "text"}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], **more}).encode()


async def _error(answer: Answer, answer_seconds: float = 5.0) -> PagemillError:
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url, answer_seconds) as recognizer:
        with pytest.raises(PagemillError) as error:
            await recognizer.read(b"png", max_tokens=1)
    return error.value


@contextmanager
def _at_most(bytes_more: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        assert tracemalloc.get_traced_memory()[1] - before < bytes_more
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "answer",
    [
        without_end(_CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"),
        without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        without_end(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"[" * 65536),
        _answer(_BOMB, head=b"Content-Encoding: gzip\r\n"),
        without_end(
            _CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"),
            b"%x\r\n" % len(_BOMB) + _BOMB + b"\r\n",
        ),
    ],
    ids=["chunked", "until it closes", "long ago announced", "bomb", "bombs"],
)
async def test_an_answer_is_read_up_to_a_bound_and_then_refused(answer: Answer) -> None:
    with _at_most(40 * _MIB):
        error = await _error(answer)

    assert isinstance(error, MalformedAnswer)
    assert "has more than 8,192 KiB" in str(error)
    assert error.page_may_be_the_cause


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "deflate", "x" * 999])
async def test_an_answer_packed_in_a_way_that_it_was_not_asked_for_is_refused_unread(encoding: str) -> None:
    error = await _error(_answer(gzip.compress(_BOMB), head=f"Content-Encoding: {encoding}\r\n".encode()))

    assert isinstance(error, MalformedAnswer)
    assert "was not asked for" in str(error)
    assert len(str(error)) < 200


async def test_an_answer_in_gzip_is_read_and_one_that_only_says_so_is_refused() -> None:
    packed = _answer(gzip.compress(_completion()), head=b"Content-Encoding: gzip\r\n")
    async with FakeEndpoint(lambda _: packed) as endpoint, _recognizer(endpoint.url) as recognizer:
        assert (await recognizer.read(b"png", max_tokens=1)).markdown == "text"

    error = await _error(_answer(_completion(), head=b"Content-Encoding: gzip\r\n"))
    assert isinstance(error, MalformedAnswer)
    assert "is no gzip" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        without_end(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" ", 0.02),
        without_end(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 0.02),
        without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
        without_end(b"HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\n", b" ", 0.02),
    ],
    ids=["body", "headers", "1xx", "error"],
)
async def test_a_slow_answer_has_one_time_limit_in_all(answer: Answer) -> None:
    started = time.monotonic()

    error = await _error(answer, answer_seconds=0.3)

    assert isinstance(error, EndpointUnavailable)
    assert "took longer than 0.3 s to answer" in str(error)
    assert error.page_may_be_the_cause
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": None, "completion_tokens": None},
        {"prompt_tokens": -5, "completion_tokens": 10**30},
        {"prompt_tokens": "many", "completion_tokens": 2.5},
        ["none"],
        "none",
    ],
)
async def test_no_page_is_lost_for_its_token_counts(usage: object) -> None:
    answer = _answer(_completion(usage=usage))
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url) as recognizer:
        transcript = await recognizer.read(b"png", max_tokens=1)

    assert (transcript.markdown, transcript.prompt_tokens, transcript.completion_tokens) == ("text", 0, 0)


@pytest.mark.parametrize(
    ("body", "head", "says"),
    [
        (b'{"error": {"message": "bad token \\ud800 in image"}}', b"", "bad token"),
        (b"[" * 60000, b"", "[[["),
        (b'{"error": ' * 6000, b"", '{"error":'),
        (b'{"error": {"message": ["not", "text"]}}', b"", "not"),
        (b"zz", b"Content-Type: text/plain; charset=hex\r\n", "zz"),
        (b"zz", b"Content-Type: text/plain; charset=punycode\r\n", "zz"),
        (b"zz", b"Content-Type: text/plain; charset=\xff\r\n", "zz"),
        (b"\xff\xfe\x00zz", b"", "zz"),
        (b"zz" * 10**6, b"", "zz"),
        (b"zz", b"Content-Encoding: gzip\r\n", "400"),
        (b"", b"Set-Cookie: \xff=\xff; expires=never\r\n", "400"),
    ],
    ids=[
        "surrogate",
        "nested",
        "nested keys",
        "list",
        "hex",
        "punycode",
        "binary",
        "utf-16",
        "long",
        "packed",
        "cookie",
    ],
)
async def test_an_error_that_cannot_be_parsed_is_quoted_as_it_is(body: bytes, head: bytes, says: str) -> None:
    error = await _error(_answer(body, 400, head))

    assert isinstance(error, RequestRejected)
    assert says in str(error)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10**6,
        _completion().replace(b'"text"', b'"a \\ud800"'),
        b'{"choices": ' * 100_000,
        b'{"choices": [{"message": {"content": 1}}]}',
        b"\xef\xbb\xbf\x00",
        b"",
    ],
    ids=["nested", "surrogate", "nested keys", "number", "bytes", "empty"],
)
async def test_an_answer_that_cannot_be_parsed_costs_its_page_at_most(body: bytes) -> None:
    error = await _error(_answer(body))

    assert isinstance(error, MalformedAnswer)
    assert "no chat completion" in str(error)
    assert error.page_may_be_the_cause


@pytest.mark.parametrize("status", [101, 199, 600, 999])
async def test_a_status_that_no_answer_has_is_a_failure_of_the_endpoint(status: int) -> None:
    error = await _error(_answer(b"", status))

    assert isinstance(error, EndpointUnavailable)


async def test_a_reason_phrase_of_any_length_is_quoted_in_part() -> None:
    error = await _error(on_the_wire(b"HTTP/1.1 503 " + b"x" * 50_000 + b"\r\nContent-Length: 0\r\n\r\n"))

    assert "503 xxx" in str(error)
    assert len(str(error)) < 400


async def test_cookies_are_not_kept_however_many_an_endpoint_sets() -> None:
    answer = _answer(_completion(), head=b"".join(b"Set-Cookie: name%d=value\r\n" % n for n in range(500)))
    async with FakeEndpoint(lambda _: answer) as endpoint, _recognizer(endpoint.url) as recognizer:
        for _ in range(2):
            await recognizer.read(b"png", max_tokens=1)

    assert "name0" not in "".join(endpoint.record.heads)


async def test_a_stream_without_an_end_is_read_up_to_a_bound() -> None:
    events = without_end(_CHUNKED, b"10000\r\n" + b":" * 65535 + b"\n\r\n")
    with _at_most(100 * _MIB):
        async with FakeEndpoint(lambda _: events) as endpoint, _recognizer(endpoint.url) as recognizer:
            with pytest.raises(MalformedAnswer, match="has more than"):
                await recognizer.first_token_seconds(b"png")

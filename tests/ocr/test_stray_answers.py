"""Endpoints and proxies that leave bytes on a connection: no page gets another page's answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pagemill.domain.pages.model import Recipe
from pagemill.errors import MalformedAnswer
from pagemill.ocr.client import OpenAiRecognizer
from tests.fakes.ocr_endpoint import MODEL

Reply = Callable[[int, str], list[bytes]]  # number and id of a page request to parts; a pause follows each


def _completion(text: str, answer_id: str = "") -> bytes:
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return json.dumps({"id": answer_id, "choices": [choice]}).encode()


def _http(body: bytes, status: int = 200, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def _chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


_STRAY = _http(_completion("the answer to nobody's request"))
_TIMEOUT = _http(b"", 408)


@asynccontextmanager
async def _raw_endpoint(reply: Reply) -> AsyncIterator[str]:
    """An endpoint that writes what `reply` says, and keeps every connection open."""
    pages, handlers = 0, set[asyncio.Task[None]]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pages
        task = asyncio.current_task()
        assert task
        handlers.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = re.search(r"content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                parts = [_http(json.dumps({"data": [{"id": MODEL}]}).encode())]
                if "/chat/completions" in head:
                    pages += 1
                    named = re.search(r"x-request-id: (\S+)", head)
                    parts = reply(pages, named[1] if named else "")
                elif reply(0, ""):
                    parts = [parts[0] + reply(0, "")[0]]
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=2**24)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        if handlers:
            await asyncio.wait(handlers)


async def _read(url: str, pages: int) -> list[str]:
    async def locate() -> str:
        return url

    async with OpenAiRecognizer(locate, recipe=Recipe(MODEL), answer_seconds=5) as recognizer:
        await recognizer.probe()
        return [(await recognizer.read(b"png", max_tokens=1)).markdown for _ in range(pages)]


def _page(number: int) -> bytes:
    return _completion(f"page {number}")


@pytest.mark.parametrize(
    "answer",
    [
        lambda number: [_http(_page(number)) + _STRAY],
        lambda number: [_http(_page(number)), _STRAY],
        lambda number: [_http(_page(number)) + _STRAY[:20]],
        lambda number: [_chunked(_page(number)) + _STRAY],
        lambda number: [_chunked(_page(number)), _chunked(_completion("stray"))],
        lambda number: [_http(_page(number)) + b"\r\n\r\nrubbish"],
        lambda number: [_http(_page(number)) + _TIMEOUT],
        lambda number: [_http(_page(number)), _TIMEOUT],
        lambda number: [_http(_page(number)) + _http(b'{"error": {"message": "no image"}}', 400)],
    ],
    ids=["at once", "later", "torn", "chunked", "chunked later", "rubbish", "408", "408 while idle", "400"],
)
async def test_bytes_after_an_answer_never_reach_the_next_page(answer: Callable[[int], list[bytes]]) -> None:
    async with _raw_endpoint(lambda number, _: answer(number) if number else []) as url:
        assert await _read(url, 4) == [f"page {number}" for number in range(1, 5)]


async def test_bytes_after_the_answer_to_a_probe_never_reach_a_page() -> None:
    async with _raw_endpoint(lambda number, _: [_http(_page(number))] if number else [_STRAY]) as url:
        assert await _read(url, 2) == ["page 1", "page 2"]


async def test_the_answer_to_another_page_is_refused() -> None:
    """A proxy before the endpoint may mix up its own connections. vLLM repeats the id of a request."""
    ids: list[str] = []

    def reply(number: int, request_id: str) -> list[bytes]:
        ids.append(request_id)
        return [_http(_completion(f"page {number}", f"chatcmpl-{ids[0]}"))] if number else []

    async with _raw_endpoint(lambda number, name: reply(number, name) if number else []) as url:
        with pytest.raises(MalformedAnswer, match=f"the answer to another request.*{ids[0] if ids else ''}") as trouble:
            await _read(url, 2)

    assert len(set(ids)) == 2
    assert not trouble.value.page_may_be_the_cause


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_an_answer_whose_header_names_another_page_is_refused_whatever_it_says(status: int) -> None:
    foreign = f"X-Request-Id: pagemill-{'0' * 32}\r\n"
    async with _raw_endpoint(lambda number, _: [_http(_page(1), status, foreign)] if number else []) as url:
        with pytest.raises(MalformedAnswer, match="the answer to another request"):
            await _read(url, 1)


@pytest.mark.parametrize("answer_id", ["chatcmpl-{}", "{}", "chatcmpl-4711", ""])
async def test_an_answer_that_names_its_page_or_none_is_taken(answer_id: str) -> None:
    async with _raw_endpoint(
        lambda number, name: [_http(_completion("text", answer_id.format(name)))] if number else []
    ) as url:
        assert await _read(url, 2) == ["text", "text"]

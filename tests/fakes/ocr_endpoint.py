"""An OCR endpoint whose text depends on the image alone, with faults on request and a record of all requests.

Speaks as much of vLLM's HTTP interface as pagemill uses, over bare asyncio streams, so that it can fail below HTTP too
and costs next to no CPU time in benchmarks. A path before `/v1` tells callers apart. As a program it prints its URL and
runs until its standard input closes; meanwhile `GET /record` returns its record.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import itertools
import json
import random
import re
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Any, Self

from tests.fakes.ports import reserved_port

MODEL = "lightonai/LightOnOCR-2-1B"
_PNG_BEGINS, _PNG_ENDS = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
_FIGURES = ("sent", "spans", "callers", "most_in_flight", "ready_at")


@dataclass(frozen=True)
class Request:
    """One page that was sent."""

    index: int  # 1-based, in order of arrival
    image: str  # names the image: equal images have equal names
    nth_of_image: int  # 1 for the first time this image is sent
    body: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What to answer. Without a status: the fault that `kind` names."""

    kind: str = "text"  # text | status | reset | hang | raw | death | wire
    text: str = ""
    status: int = 200
    finish_reason: str = "stop"
    headers: dict[str, str] = field(default_factory=dict)
    at_once: bool = False  # without the latency
    wire: Callable[[], Iterable[bytes | float]] = tuple  # all bytes, as they are sent, and pauses in seconds


RESET, HANG = Answer(kind="reset"), Answer(kind="hang")
DEATH = Answer(kind="death")  # of the whole endpoint: all connections break, and it starts again


def on_the_wire(*parts: bytes | float) -> Answer:
    """An answer down to its bytes; numbers are pauses in seconds. Then the connection is closed."""
    return Answer(kind="wire", wire=lambda: parts)


def without_end(head: bytes, part: bytes, pause: float = 0.0) -> Answer:
    """An answer that begins with `head` and goes on with `part`, with pauses in seconds, until nobody listens."""
    return Answer(kind="wire", wire=lambda: itertools.chain([head], itertools.cycle([part, pause])))


def failing(status: int, message: str = "on order", **headers: str) -> Answer:
    """An error in vLLM's form."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": status}}
    return Answer(kind="status", status=status, text=json.dumps(body), headers=headers)


@dataclass
class Record:
    """What happened at the endpoint."""

    sent: Counter[str] = field(default_factory=Counter)  # image to how often
    spans: list[tuple[float, float]] = field(default_factory=list)  # of each request, on the monotonic clock
    callers: list[str] = field(default_factory=list)  # who sent them: what came before `/v1` in the path
    ready_at: float = 0.0  # when the program became ready
    in_flight: int = 0
    most_in_flight: int = 0
    paths: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)  # of all requests: first line and headers

    @property
    def requests(self) -> int:
        """Pages sent, repeats included."""
        return self.sent.total()

    def busy_share(self, slots: int) -> float:
        """Share of slot-time busy between the first request and the last answer."""
        window = max(end for _, end in self.spans) - min(start for start, _ in self.spans)
        return sum(end - start for start, end in self.spans) / (slots * window)


def image_name(image: bytes) -> str:
    """The name under which an image is recorded."""
    return _name(base64.b64encode(image))


def _name(encoded: bytes) -> str:
    """Names a PNG by its header and the checksum of its pixels, which ends its data (RFC 1950: Adler-32).

    Not by its bytes: ISA-L does not always compress the same pixels to the same bytes. Other images: by their bytes.
    """
    head, tail = base64.b64decode(encoded[:64]), base64.b64decode(encoded[-64:])
    if head.startswith(_PNG_BEGINS) and tail.endswith(_PNG_ENDS):
        end = len(tail) - len(_PNG_ENDS) - 4  # the checksum of the chunk that ends there
        return hashlib.sha256(head[12:29] + tail[end - 4 : end]).hexdigest()[:16]
    return hashlib.sha256(encoded).hexdigest()[:16]


def text_of(image: str) -> str:
    """The Markdown of an image."""
    return f"# Page {image[:8]}\n\nThe text of image {image}.\n"


class FakeEndpoint:
    """The endpoint, on a free loopback port."""

    def __init__(
        self,
        answer: Callable[[Request], Answer | None] = lambda _: None,
        *,
        latency_seconds: float = 0.0,
        model: str = MODEL,
        healthy: Callable[[], bool] = lambda: True,
        keep_bodies: bool = True,
        first_wait_for: int = 1,
        dead_seconds: float = 0.05,
        probe_fault: Callable[[str], Answer | None] = lambda _: None,
        journal: Path | None = None,
        port: int = 0,
    ) -> None:
        """Configure.

        Args:
            answer: Decides about each page; None: the image's own text.
            latency_seconds: How long a page takes.
            model: The model that is served.
            healthy: What `/health` says.
            first_wait_for: The first answers wait until so many pages are in flight.
            keep_bodies: Whether the record holds requests, without their images.
            dead_seconds: How long it is away when it dies.
            probe_fault: Decides about requests that are no pages, by their path.
            journal: A file that gets a line, time and image, for each page as it arrives: it survives the process.
            port: Where to listen; 0: any free port.
        """
        self.record = Record()
        self._answer = answer
        self._latency_seconds = latency_seconds
        self._model = model
        self._healthy = healthy
        self._keep_bodies = keep_bodies
        self._first_wait_for = first_wait_for
        self._dead_seconds = dead_seconds
        self._probe_fault = probe_fault
        self._journal = journal.open("a", buffering=1) if journal else None
        self._enough = asyncio.Event()
        self._reserved = contextlib.ExitStack()  # until it has ended: it may die and rise in between
        self._port = port or self._reserved.enter_context(reserved_port())
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._resurrection: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        tasks = [*self._connections, *([self._resurrection] if self._resurrection else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._reserved.close()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._port}"

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, limit=2**24)

    def _die(self) -> None:
        assert self._server
        if self._resurrection and not self._resurrection.done():
            return  # it dies only once
        self._server.close()
        for task, writer in self._connections.items():
            _break(writer)
            if task is not asyncio.current_task():
                task.cancel()
        self._resurrection = asyncio.create_task(self._rise())

    async def _rise(self) -> None:
        await asyncio.sleep(self._dead_seconds)
        await self._listen()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections[task] = writer
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            del self._connections[task]
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        _, path, _ = head[0].split(" ", 2)
        if self._keep_bodies:
            self.record.heads.append("\n".join(head))
        length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")), 0)
        body = await reader.readexactly(length)
        caller, route = re.fullmatch(r"(.*?)(/v1/\w+(?:/\w+)?|/\w+)", path).groups()  # type: ignore[union-attr]
        self.record.paths[route] += 1
        if route == "/v1/chat/completions":
            named = next(
                (line.partition(":")[2].strip() for line in head if line.lower().startswith("x-request-id:")), ""
            )
            return await self._page(body, writer, caller, named)
        if (fault := self._probe_fault(route)) and route != "/record":
            return await self._reply(fault, writer)
        if route == "/health":
            _send(writer, 200 if self._healthy() else 503, b"")
        elif route == "/v1/models":
            _send(writer, 200, json.dumps({"object": "list", "data": [{"id": self._model}]}).encode())
        elif route == "/metrics":
            _send(writer, 200, self._metrics())
        elif route == "/record":
            figures = {name: getattr(self.record, name) for name in _FIGURES}
            _send(writer, 200, json.dumps(figures).encode())
        else:
            _send(writer, 404, b"")
        await writer.drain()
        return True

    def _metrics(self) -> bytes:
        """Metrics as vLLM has them: a histogram with its labels."""
        name, labels = "vllm:time_to_first_token_seconds", f'engine="0",model_name="{self._model}"'
        seconds = sum(end - start for start, end in self.record.spans)
        lines = [
            f"# HELP {name} Histogram of time to first token in seconds.",
            f"# TYPE {name} histogram",
            f'{name}_bucket{{{labels},le="+Inf"}} {len(self.record.spans)}.0',
            f"{name}_count{{{labels}}} {len(self.record.spans)}.0",
            f"{name}_sum{{{labels}}} {seconds}",
        ]
        return "".join(f"{line}\n" for line in lines).encode()

    async def _page(self, body: bytes, writer: asyncio.StreamWriter, caller: str, named: str) -> bool:
        started = time.monotonic()
        record = self.record
        record.in_flight += 1
        record.most_in_flight = max(record.most_in_flight, record.in_flight)
        request = self._request(body)
        try:
            answer = self._answer(request) or Answer(text=text_of(request.image))
            if record.in_flight >= self._first_wait_for:
                self._enough.set()
            await self._enough.wait()
            await asyncio.sleep(0 if answer.at_once else self._latency_seconds)
            return await self._reply(answer, writer, stream=bool(request.body.get("stream")), named=named)
        finally:
            record.in_flight -= 1
            record.spans.append((started, time.monotonic()))
            record.callers.append(caller)

    def _request(self, body: bytes) -> Request:
        start = body.index(b";base64,") + 8
        end = body.index(b'"', start)
        image = _name(body[start:end])
        self.record.sent[image] += 1
        if self._journal:
            self._journal.write(f"{time.time()} {image}\n")
        parsed = json.loads(body[:start] + body[end:]) if self._keep_bodies else {}
        if self._keep_bodies:
            self.record.bodies.append(parsed)
        return Request(self.record.requests, image, self.record.sent[image], parsed)

    async def _reply(
        self, answer: Answer, writer: asyncio.StreamWriter, *, stream: bool = False, named: str = ""
    ) -> bool:
        if answer.kind == "reset":
            _break(writer)
            return False
        if answer.kind == "death":
            self._die()
            return False
        if answer.kind == "hang":
            await asyncio.Event().wait()
        if answer.kind == "wire":
            for part in answer.wire():
                if isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    writer.write(part)
                    await writer.drain()
            return False
        if answer.kind in {"status", "raw"}:
            body = answer.text.encode()
        else:
            body = self._stream(answer) if stream else self._completion(answer, named)
        _send(writer, answer.status, body, answer.headers)
        await writer.drain()
        return True

    def _completion(self, answer: Answer, named: str) -> bytes:
        message = {"role": "assistant", "content": answer.text}
        tokens = len(answer.text.split())
        return json.dumps(
            {
                "id": f"chatcmpl-{named or 'fake'}",  # vLLM repeats X-Request-Id
                "object": "chat.completion",
                "created": 0,
                "model": self._model,
                "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
                "usage": {"prompt_tokens": 2145, "completion_tokens": tokens, "total_tokens": 2145 + tokens},
            }
        ).encode()

    def _stream(self, answer: Answer) -> bytes:
        """Server-sent events as vLLM sends them: the role, the text in pieces, why it ended, the end."""
        deltas = [
            {"role": "assistant", "content": ""},
            *({"content": word} for word in re.split(r"(?<=\s)", answer.text)),
        ]
        choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {"content": ""}, "finish_reason": answer.finish_reason})
        chunk = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0, "model": self._model}
        events = [json.dumps({**chunk, "choices": [choice]}) for choice in choices]
        return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()


def _break(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    lines = [f"HTTP/1.1 {status} On order", f"content-length: {len(body)}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)


def flaky(seed: int) -> Callable[[], Answer | None]:
    """A tenth of all requests gets 429 or 503, one in fifty is reset; at once, as a front end does."""
    rng = random.Random(seed)  # noqa: S311 -- a schedule of faults
    answers = [None, *(replace(answer, at_once=True) for answer in (failing(429), failing(503), RESET))]
    return lambda: rng.choices(answers, weights=[88, 5, 5, 2])[0]


async def _serve(options: argparse.Namespace) -> None:
    started = time.monotonic()
    fault = flaky(options.flaky) if options.flaky else lambda: None
    endpoint = FakeEndpoint(
        lambda _: fault(),
        latency_seconds=options.latency,
        model=options.model,
        keep_bodies=False,
        healthy=lambda: time.monotonic() > started + options.cold,
        probe_fault=lambda _: RESET if options.cold and time.monotonic() < started + options.cold / 2 else fault(),
        journal=options.journal,
        port=options.port,
    )
    endpoint.record.ready_at = started + options.cold
    async with endpoint:
        print(endpoint.url, flush=True)  # noqa: T201 -- what starts it reads this
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds a page takes")
    parser.add_argument("--model", default=MODEL, help="model to serve")
    parser.add_argument("--cold", type=float, default=0.0, help="seconds until it is ready")
    parser.add_argument("--flaky", type=int, default=0, metavar="SEED", help="fail now and then")
    parser.add_argument("--port", type=int, default=0, help="where to listen")
    parser.add_argument("--journal", type=Path, help="file that gets a line for each page")
    asyncio.run(_serve(parser.parse_args()))

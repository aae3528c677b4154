"""Answers as no endpoint should give them: status, headers, body and timing, each drawn by a seed."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterable, Iterator

from tests.fakes.ocr_endpoint import HANG, RESET, Answer, Request, without_end

SECRET = "S3cret"  # noqa: S105 -- what no message may quote
_STATUSES = [
    *([200] * 12),
    *(100, 101, 103, 199, 201, 202, 204, 206, 226, 299),
    *(300, 301, 302, 303, 304, 305, 307, 308, 399),
    *(
        400,
        401,
        402,
        403,
        404,
        405,
        406,
        407,
        408,
        409,
        410,
        411,
        413,
        414,
        415,
        418,
        421,
        422,
        425,
        426,
        429,
        431,
        451,
    ),
    *(500, 501, 502, 503, 504, 505, 507, 511, 599, 600, 999),
]
_REASONS = [b"OK", b"", b"On order", b"\xff\xfe", b"x" * 2000]
_HEADERS = [
    b"",
    b"Retry-After: 0\r\n",
    b"Retry-After: 1\r\n",
    b"Retry-After: -1\r\n",
    b"Retry-After: 31536000\r\n",
    b"Retry-After: " + b"9" * 400 + b"\r\n",
    b"Retry-After: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
    b"Retry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
    b"Retry-After: soon\xff\r\n",
    f"Location: https://user:{SECRET}@elsewhere.example/x?token={SECRET}#{SECRET}\r\n".encode(),
    b"Location: http://[bad\r\n",
    b"Location: /login\r\n",
    b"Location: \xff://\r\n",
    b"Set-Cookie: " + b"a=b; " * 2000 + b"\r\n",
    b"Set-Cookie: \xff=\xff; expires=never\r\n" * 50,
    b"Content-Type: text/plain; charset=hex\r\n",
    b"Content-Type: text/plain; charset=\xff\r\n",
    b"Content-Type: application/json; charset=utf-16\r\n",
    b"X-Request-Id: pagemill-00000000000000000000000000000000\r\n",
    b"X-Request-Id: \xff\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: gzip, gzip\r\n",
    b"Content-Encoding: br\r\n",
    b"Content-Encoding: identity\r\n",
    b"Connection: keep-alive\r\nKeep-Alive: timeout=1000\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"WWW-Authenticate: Bearer realm=Google\r\n",
    b": no name\r\n",
    b" folded: header\r\n",
    b"x: " + b"y" * 200_000 + b"\r\n",
    b"x: \x00\r\n",
]
_COMPLETION = {"choices": [{"message": {"content": "some text"}, "finish_reason": "stop"}]}
_BODIES: list[bytes] = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"<html>wait</html>",
    b"[" * 100_000,
    b'{"choices": ' * 20_000,
    b"\xff\xfe\x00\x01",
    b"\xef\xbb\xbf" + json.dumps(_COMPLETION).encode(),
    b'{"error": {"message": "bad \\ud800"}}',
    b'{"error": {"message": "--> <!-- page 3 --> \\u0000\\u001b[31m"}}',
    b'{"error": {"message": null}}',
    b'{"data": []}',
    b'{"data": [{"id": "' + b"x" * 100_000 + b'"}]}',
    b'{"choices": []}',
    b'{"choices": null, "usage": null}',
    b'{"choices": [{"message": {"content": "a \\ud800"}, "finish_reason": "stop"}]}',
    b'{"choices": [{"message": {"content": "text"}, "finish_reason": 7}]}',
    b'{"choices": [{"message": null}]}',
    b"x" * 300_000,
    gzip.compress(bytes(20 * 2**20)),
    gzip.compress(gzip.compress(bytes(20 * 2**20))),
    *(
        json.dumps(_COMPLETION | more).encode()
        for more in (
            {},
            {"usage": None},
            {"usage": {"prompt_tokens": -1, "completion_tokens": 10**40}},
            {"usage": {"prompt_tokens": float("nan")}},
            {"usage": [1]},
            {"id": "chatcmpl-pagemill-00000000000000000000000000000000"},
            {"id": {"a": [None]}},
            {"choices": [{"message": {"content": "loop " * 500}, "finish_reason": "length"}]},
            {"choices": [{"message": {"content": ""}, "finish_reason": "y" * 5000}]},
        )
    ),
]


def _framed(rng: random.Random, head: bytes, body: bytes) -> bytes:
    """An answer with a length that is right or not."""
    length, chunked = b"Content-Length: %d\r\n\r\n" % len(body), b"Transfer-Encoding: chunked\r\n\r\n"
    right = [
        head + length + body,
        head + chunked + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
        head + b"\r\n" + body,
    ]
    wrong = [
        head + b"Content-Length: 99999999999\r\n\r\n" + body,
        head + b"Content-Length: 3\r\n\r\n" + body,
        head + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n" + body,
        head + b"Content-Length: " + rng.choice([b"-1", b"many", b"9" * 5000]) + b"\r\n\r\n" + body,
        head + chunked + rng.choice([b"zz", b"-1", b"F" * 30]) + b"\r\n" + body,
        2 * (head + length + body),
    ]
    return rng.choice(right if rng.random() < 0.7 else wrong)


def wild_answer(rng: random.Random) -> Answer:
    """One answer."""
    if rng.random() < 0.06:
        return rng.choice([HANG, RESET])
    status, reason = rng.choice(_STATUSES), rng.choice(_REASONS)
    headers = b"".join(rng.sample(_HEADERS, rng.choice([0, 1, 1, 2, 3])))
    head = b"HTTP/1.1 %d %s\r\n" % (status, reason) + headers
    if rng.random() < 0.08:
        return without_end(head + b"\r\n", *rng.choice([(b" " * 65536, 0.0), (b" ", 0.005), (b"x: y\r\n", 0.005)]))
    whole = _framed(rng, head, rng.choice(_BODIES))
    if rng.random() < 0.03:
        whole = rng.choice([b"rubbish\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/9.9 200\r\n\r\n", b"\x16\x03\x01", b""])
    return Answer(kind="wire", wire=_timed(rng, whole))


def _timed(rng: random.Random, whole: bytes) -> Callable[[], Iterable[bytes | float]]:
    """The bytes at once, after a pause, in two parts, or cut off."""
    cut = rng.randrange(len(whole) + 1)
    pause = rng.choice([0.001, 0.01, 0.05, 2.0])
    parts: list[list[bytes | float]] = [
        [whole],
        [whole],
        [pause, whole],
        [whole[:cut], pause, whole[cut:]],
        [whole[:cut]],
    ]
    chosen = rng.choice(parts)
    return lambda: chosen


class WildEndpoint:
    """Which answers an endpoint gives in one run: some well, some wild, by a seed."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 -- a schedule of faults
        self._rng = rng
        self._share = rng.choice([0.1, 0.3, 0.7, 1.0])  # of the pages' answers that are wild
        self._of_page = [wild_answer(rng) for _ in range(rng.choice([1, 1, 3]))]
        self._always = rng.random() < 0.3  # whether one page gets them every time
        wild_probes = [[], [], [], ["/health"], ["/v1/models"]]
        self._of_probe = {path: self._probes(rng) for path in rng.choice(wild_probes)}

    def _probes(self, rng: random.Random) -> Iterator[Answer]:
        """Wild, and after some, or never, well."""
        answers = [wild_answer(rng) for _ in range(rng.choice([1, 2, 4]))]
        return iter(answers * rng.choice([1, 1, 500]))

    def of_page(self, request: Request) -> Answer | None:
        """Decide about a page."""
        wild = int(request.image[:8], 16) % 3 == 0 if self._always else self._rng.random() < self._share
        return self._rng.choice(self._of_page) if wild else None

    def of_probe(self, path: str) -> Answer | None:
        """Decide about a probe."""
        return next(self._of_probe.get(path, iter(())), None)

"""One request to an endpoint and its answer, bounded in bytes and in time."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import cast

import httpx

from pagemill.errors import EndpointUnavailable, MalformedAnswer, UsageError
from pagemill.ocr.answers import Answer
from pagemill.ocr.failures import connection_failure, refuse_redirect

_CONNECT_SECONDS = 30.0
_MOST_BYTES = 8 * 2**20  # of an answer; 128,000 tokens are less than 1 MiB of text
_MOST_BYTES_OF_AN_ERROR = 64 * 2**10  # a message quotes 300 characters of it
_ENDPOINT = "the endpoint"  # in messages about a page, which are counted: without the port of the embedded one
_GZIP = {"gzip", "x-gzip"}

Unpack = Callable[[bytes, int], bytes]  # bytes as received, and how many to return at most


class Exchange:
    """The HTTP client of an endpoint. No cookies are kept, and no redirect is followed.

    Every request has a connection of its own. Bytes that an endpoint or a proxy leaves on a connection would otherwise
    be taken for the answer to the next page. Proxies are those that the environment names, see `config.proxies`.
    """

    def __init__(self, *, api_key: str, auth: httpx.Auth | None, connections: int) -> None:
        """Configure; nothing is sent.

        Args:
            api_key: Sent as a bearer token, if any.
            auth: Adds identity tokens, if the endpoint requires them.
            connections: Requests at once.

        Raises:
            UsageError: The key cannot be sent, or a variable for proxies or certificates is wrong.
        """
        if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
            raise UsageError(
                "PAGEMILL_API_KEY holds a space, a line end or a letter that no key has; set it to the key alone"
            )
        try:
            self._client = httpx.AsyncClient(
                headers={
                    "Content-Type": "application/json",
                    "Connection": "close",
                    "Accept-Encoding": "identity",
                    **({"Authorization": f"Bearer {api_key}"} if api_key else {}),
                },
                auth=auth,
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),  # for the whole request: `asyncio.timeout`
                limits=httpx.Limits(max_connections=connections + 1, max_keepalive_connections=0),
                event_hooks={"response": [refuse_redirect]},
            )
        except (httpx.InvalidURL, ValueError, ImportError, OSError) as error:
            raise UsageError(
                f"HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE or SSL_CERT_DIR is wrong: {error}"
            ) from error
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(netscape=False, rfc2965=False))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def get(self, url: str, *, seconds: float) -> Answer:
        """Send a GET request; raises what `post` raises."""
        async with self._answering(url, "GET", url, seconds=seconds) as response:
            return await _whole(response)

    async def post(self, url: str, content: bytes, *, seconds: float, headers: Mapping[str, str]) -> Answer:
        """Send a POST request.

        Args:
            url: Where to.
            content: The body.
            seconds: How long it may take in all, from the connection to the last byte of the answer.
            headers: Beside those of all requests.

        Raises:
            EndpointUnavailable: There is no answer, it takes too long, or it has too many bytes.
            UsageError: The answer is a redirect, or the certificate is refused.
        """
        async with self._answering(
            _ENDPOINT, "POST", url, seconds=seconds, content=content, headers=headers
        ) as response:
            return await _whole(response)

    async def lines(
        self, url: str, content: bytes, *, seconds: float, check: Callable[[Answer], object]
    ) -> AsyncGenerator[str]:
        """Send a POST request, and yield the lines of its answer as they come. An error is passed to `check`.

        Raises:
            EndpointUnavailable: As for `post`.
            UsageError: As for `post`.
        """
        async with self._answering(_ENDPOINT, "POST", url, seconds=seconds, content=content) as response:
            if not response.is_success:
                check(await _whole(response))
                return
            async with contextlib.aclosing(_lines(response)) as lines:
                async for line in lines:
                    yield line

    @contextlib.asynccontextmanager
    async def _answering(
        self,
        name: str,
        method: str,
        url: str,
        *,
        seconds: float,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        try:
            async with (
                asyncio.timeout(seconds),
                self._client.stream(method, url, content=content, headers=headers) as response,
            ):
                yield response
        except TimeoutError as error:
            raise EndpointUnavailable(
                f"{name} took longer than {seconds:g} s to answer", page_may_be_the_cause=True
            ) from error
        except (httpx.HTTPError, OSError) as error:
            raise connection_failure(error, url, name) from error


async def _whole(response: httpx.Response) -> Answer:
    """Read an answer.

    Raises:
        MalformedAnswer: It has more bytes than any answer to a page.
    """
    most = _MOST_BYTES if response.is_success else _MOST_BYTES_OF_AN_ERROR
    body = bytearray()
    async with contextlib.aclosing(_pieces(response, most)) as pieces:
        with contextlib.nullcontext() if response.is_success else contextlib.suppress(MalformedAnswer):
            async for piece in pieces:
                body += piece
    return Answer(response.status_code, response.reason_phrase, response.headers, bytes(body))


async def _lines(response: httpx.Response) -> AsyncGenerator[str]:
    """The lines of an answer.

    Raises:
        MalformedAnswer: It has more bytes than any answer to a page.
    """
    begun = b""
    async with contextlib.aclosing(_pieces(response, _MOST_BYTES)) as pieces:
        async for piece in pieces:
            *lines, begun = (begun + piece).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")


async def _pieces(response: httpx.Response, most_bytes: int) -> AsyncGenerator[bytes]:
    """What an answer holds, unpacked here: httpx's decoders make 64 MiB of 64 KiB before they can be counted.

    Raises:
        MalformedAnswer: It has more bytes, or is packed in a way that it was not asked for.
    """
    unpack, left = _unpacker(response.headers.get("Content-Encoding", "")), most_bytes
    async with contextlib.aclosing(cast("AsyncGenerator[bytes]", response.aiter_raw())) as received:
        async for raw in received:
            try:
                piece = unpack(raw, left + 1)
            except zlib.error as error:
                raise MalformedAnswer(
                    f"the endpoint's answer is no gzip, as it says: {error}", page_may_be_the_cause=True
                ) from error
            yield piece[:left]
            left -= len(piece)
            if left < 0:
                raise MalformedAnswer(
                    f"the endpoint's answer has more than {most_bytes // 2**10:,} KiB", page_may_be_the_cause=True
                )


def _unpacker(encoding: str) -> Unpack:
    named = encoding.strip().lower()
    if named in {"", "identity"}:
        return lambda raw, _: raw
    if named in _GZIP:
        gzip = zlib.decompressobj(zlib.MAX_WBITS | 16)  # the header of gzip
        return lambda raw, most: b"" if gzip.eof else gzip.decompress(raw, most)
    raise MalformedAnswer(
        f"the endpoint's answer is packed with '{named[:40]}', which it was not asked for", page_may_be_the_cause=True
    )

"""The OCR client: one page image a request, to any endpoint with OpenAI's chat completions API."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx
from pydantic import ValidationError

from pagemill.domain.pages.model import Recipe, Transcript
from pagemill.errors import (
    EndpointRefusesUs,
    EndpointUnavailable,
    MalformedAnswer,
    RequestRejected,
    UsageError,
    WrongModel,
)
from pagemill.ocr.answers import (
    Models,
    check_id,
    describe,
    detail,
    excerpt,
    new_request_id,
    retry_after,
    text_of,
    transcript,
)

if TYPE_CHECKING:
    from pagemill.ocr.identity.auth import IdTokenAuth

_PROBE_SECONDS = 60.0  # Cloud Run holds a request while an instance starts
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# A white page of 224 by 224 pixels: no engine fails on it.
_HARMLESS = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAOAAAADgAQAAAAAyVldMAAAAKklEQVR42u3JoQEAAAwCIP9/WvvCLoBK+oiUUkoppZRSSiml"
    "lFJKKaW8BmbdaOmo2byVAAAAAElFTkSuQmCC"
)
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_ID_HEADER = "X-Request-Id"


class OpenAiRecognizer:
    """Reads pages with one client; a client for each request would cost 25 ms for its TLS context.

    Every request has a connection of its own. Bytes that an endpoint or a proxy leaves on a connection would otherwise
    be taken for the answer to the next page. Each page is sent with an id; an answer with another page's id is refused.
    """

    def __init__(
        self,
        locate: Callable[[], Awaitable[str]],
        *,
        recipe: Recipe,
        api_key: str = "",
        connections: int = 8,
        answer_seconds: float = 300.0,
        auth: IdTokenAuth | None = None,
    ) -> None:
        """Configure; nothing is sent before the first probe.

        Args:
            locate: Returns the endpoint's base URL, with or without `/v1`; starts the embedded one.
            recipe: Names the model and its sampling parameters.
            api_key: Sent as a bearer token, if any.
            connections: Pages in flight at once.
            answer_seconds: How long it may take to read one page.
            auth: Adds identity tokens, if the endpoint requires them.
        """
        self._locate = locate
        self._recipe = recipe
        self._auth = auth
        self._base_url = ""
        self._before_image, self._after_image = _envelope(recipe)
        self._client = httpx.AsyncClient(
            headers={"Content-Type": "application/json", "Connection": "close"}
            | ({"Authorization": f"Bearer {api_key}"} if api_key else {}),
            auth=auth,
            timeout=httpx.Timeout(answer_seconds, connect=30.0),
            limits=httpx.Limits(max_connections=connections + 1, max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def probe(self) -> None:
        """Check once whether the endpoint is healthy and serves the recipe's model.

        Raises:
            EndpointUnavailable: It is not yet.
            EndpointNeverAnswered: The embedded endpoint does not start.
            UsageError: It serves another model, or refuses our credentials.
        """
        self._base_url = (await self._locate()).rstrip("/").removesuffix("/v1")
        health = await self._get("/health")
        # An endpoint that is not vLLM may have no /health; then /v1/models decides.
        if health.status_code != HTTPStatus.NOT_FOUND:
            self._raise_for_status(health)
        await self._find_model()

    async def prove(self) -> None:
        """Let the endpoint read a white page, and answer with one token.

        Raises:
            EndpointUnavailable: It does not read this page.
            RequestRejected: It refuses this page, too.
            UsageError: It refuses our credentials.
        """
        await self.read(_HARMLESS, max_tokens=1)

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        """Return the transcript of one page image; one request, no retries.

        Raises:
            EndpointUnavailable: Connection error, timeout, 429, 5xx, or an answer that is no chat completion or
                another request's.
            RequestRejected: The endpoint refuses this request (any other 4xx).
            UsageError: It refuses our credentials.
        """
        body = b"".join((self._before_image, base64.b64encode(png), self._after_image, str(max_tokens).encode(), b"}"))
        request_id = new_request_id()
        started = time.monotonic()
        try:
            response = await self._client.post(
                f"{self._base_url}/v1/chat/completions", content=body, headers={_ID_HEADER: request_id}
            )
        except httpx.HTTPError as error:
            raise EndpointUnavailable(
                f"the endpoint gave no answer: {describe(error)}",
                page_may_be_the_cause=not isinstance(error, _NOT_SENT),
            ) from error
        check_id(response.headers.get(_ID_HEADER, ""), request_id)
        self._raise_for_status(response)
        return transcript(response, request_id, time.monotonic() - started)

    async def first_token_seconds(self, png: bytes) -> float:
        """Time from a request to the first piece of its text, with the answer as a stream of server-sent events.

        Raises:
            EndpointUnavailable: Connection error, timeout, 429, 5xx, or a stream that holds no text.
            RequestRejected: The endpoint refuses this request.
            UsageError: It refuses our credentials.
        """
        body = b"".join((self._before_image, base64.b64encode(png), self._after_image, b'64, "stream": true}'))
        started = time.monotonic()
        try:
            async with self._client.stream("POST", f"{self._base_url}/v1/chat/completions", content=body) as response:
                if not response.is_success:
                    await response.aread()
                self._raise_for_status(response)
                events = []
                async for line in response.aiter_lines():
                    if text_of(line):
                        return time.monotonic() - started
                    events.append(line)
        except httpx.HTTPError as error:
            raise EndpointUnavailable(f"the endpoint gave no stream: {describe(error)}") from error
        raise MalformedAnswer(f"the endpoint's stream holds no text, only: {excerpt(' '.join(events))}")

    async def _get(self, path: str) -> httpx.Response:
        try:
            return await self._client.get(f"{self._base_url}{path}", timeout=_PROBE_SECONDS)
        except httpx.HTTPError as error:
            raise EndpointUnavailable(f"{self._base_url}{path} gives no answer: {describe(error)}") from error

    async def _find_model(self) -> None:
        response = await self._get("/v1/models")
        try:
            self._raise_for_status(response)
            served = [model.id for model in Models.model_validate_json(response.content).data]
        except (RequestRejected, ValidationError) as error:
            url = f"{self._base_url}/v1/models"
            raise UsageError(f"{url} does not list models, as OpenAI-compatible endpoints do: {error}") from error
        if self._recipe.model not in served:
            raise WrongModel(
                f"the endpoint {self._base_url} does not serve '{self._recipe.model}', it serves {', '.join(served)}; "
                "set PAGEMILL_MODEL to the one to use"
            )

    def _raise_for_status(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        if response.status_code in _REFUSED:
            advice = (
                self._auth.advice(response.status_code)
                if self._auth
                else "if it requires an API key, set PAGEMILL_API_KEY"
            )
            raise EndpointRefusesUs(f"the endpoint {self._base_url} refuses us: {detail(response)}; {advice}")
        if response.status_code in _BUSY or response.is_server_error:
            raise EndpointUnavailable(
                f"the endpoint answered {detail(response)}",
                page_may_be_the_cause=response.status_code not in _BUSY,
                retry_after_seconds=retry_after(response),
            )
        raise RequestRejected(f"the endpoint refuses the page: {detail(response)}")


def _envelope(recipe: Recipe) -> tuple[bytes, bytes]:
    """The request's JSON around the image, without the closing `max_tokens` value: it is built once, not for each page.

    LightOnOCR takes only the image; if a recipe has a prompt, it follows the image as text.
    """
    content: list[Mapping[str, Any]] = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,@"}}]
    if recipe.prompt:
        content.append({"type": "text", "text": recipe.prompt})
    body = {"model": recipe.model, **recipe.sampling, "messages": [{"role": "user", "content": content}]}
    before, after = json.dumps(body).removesuffix("}").split("base64,@", 1)
    return f"{before}base64,".encode(), f'{after}, "max_tokens": '.encode()

"""The OCR client: one page image a request, to any endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import BaseModel, ValidationError

from pagemill.domain.model import Recipe, Transcript
from pagemill.errors import (
    EndpointNeverAnswered,
    EndpointUnavailable,
    MalformedAnswer,
    RequestRejected,
    UsageError,
)

_LONGEST_DETAIL = 300  # characters of an endpoint's own words that fit a message
_POLL_SECONDS = 1.0
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: _Usage = _Usage()


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


class OpenAiRecognizer:
    """Reads pages over one connection pool; a client per request would cost 25 ms each for its TLS context."""

    def __init__(
        self,
        locate: Callable[[], Awaitable[str]],
        *,
        recipe: Recipe,
        api_key: str = "",
        connections: int = 8,
        wake_seconds: float = 600.0,
        answer_seconds: float = 300.0,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Configure; nothing is sent before `wake`.

        Args:
            locate: Returns the endpoint's base URL, with or without `/v1`; starts the endpoint where it is ours.
            recipe: Names the model, and how it samples.
            api_key: Sent as a bearer token, if any.
            connections: Pages in flight at once.
            wake_seconds: How long the endpoint may take to get ready.
            answer_seconds: How long it may take to read one page.
            announce: Told what is being waited for.
        """
        self._locate = locate
        self._recipe = recipe
        self._wake_seconds = wake_seconds
        self._announce = announce
        self._base_url = ""
        self._before_image, self._after_image = _envelope(recipe)
        self._client = httpx.AsyncClient(
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {}),
            timeout=httpx.Timeout(answer_seconds, connect=30.0),
            limits=httpx.Limits(max_connections=connections + 1, max_keepalive_connections=connections + 1),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def wake(self) -> None:
        """Return once the endpoint is healthy and serves the recipe's model.

        Raises:
            EndpointNeverAnswered: It did not get ready within the deadline.
            UsageError: It serves another model, or refuses our credentials.
        """
        self._base_url = (await self._locate()).rstrip("/").removesuffix("/v1")
        deadline = time.monotonic() + self._wake_seconds
        while problem := await self._health() or await self._missing_model():
            self._announce(f"waiting for the endpoint {self._base_url}: {problem}")
            if time.monotonic() + _POLL_SECONDS > deadline:
                raise EndpointNeverAnswered(
                    f"the endpoint {self._base_url} did not get ready within {self._wake_seconds:g} s: {problem}; "
                    "see that it runs, then run again: finished pages are kept"
                )
            await asyncio.sleep(_POLL_SECONDS)
        self._announce("reading")

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        """Return the transcript of one page image; one request, no retries.

        Raises:
            EndpointUnavailable: Connection error, timeout, 429 or 5xx.
            MalformedAnswer: The answer is no chat completion.
            RequestRejected: The endpoint refuses this request (any other 4xx).
            UsageError: It refuses our credentials.
        """
        body = b"".join((self._before_image, base64.b64encode(png), self._after_image, str(max_tokens).encode(), b"}"))
        started = time.monotonic()
        try:
            response = await self._client.post(f"{self._base_url}/v1/chat/completions", content=body)
        except httpx.HTTPError as error:
            raise EndpointUnavailable(f"the endpoint gave no answer: {_describe(error)}") from error
        self._raise_for_status(response)
        return _transcript(response, time.monotonic() - started)

    async def _health(self) -> str:
        """What keeps the endpoint from working; empty if nothing does."""
        try:
            response = await self._client.get(f"{self._base_url}/health", timeout=30.0)
        except httpx.HTTPError as error:
            return _describe(error)
        if response.status_code in _REFUSED:
            self._raise_for_status(response)
        # An endpoint that is not vLLM may have no /health; then /v1/models has the last word.
        return "" if response.is_success or response.status_code == HTTPStatus.NOT_FOUND else _detail(response)

    async def _missing_model(self) -> str:
        """What keeps the endpoint from listing its models; empty if the recipe's is among them."""
        url = f"{self._base_url}/v1/models"
        try:
            response = await self._client.get(url)
            self._raise_for_status(response)
            served = [model.id for model in _Models.model_validate_json(response.content).data]
        except httpx.HTTPError as error:
            return _describe(error)
        except EndpointUnavailable as error:
            return str(error)
        except (RequestRejected, ValidationError) as error:
            raise UsageError(f"{url} does not list models, as OpenAI-compatible endpoints do: {error}") from error
        if self._recipe.model not in served:
            raise UsageError(
                f"the endpoint {self._base_url} does not serve '{self._recipe.model}', it serves {', '.join(served)}; "
                "set PAGEMILL_MODEL to the one to use"
            )
        return ""

    def _raise_for_status(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        if response.status_code in _REFUSED:
            raise UsageError(
                f"the endpoint {self._base_url} refuses us: {_detail(response)}; "
                "if it wants an API key, set PAGEMILL_API_KEY"
            )
        if response.status_code in _BUSY or response.is_server_error:
            raise EndpointUnavailable(f"the endpoint answered {_detail(response)}")
        raise RequestRejected(f"the endpoint refuses the page: {_detail(response)}")


def _envelope(recipe: Recipe) -> tuple[bytes, bytes]:
    """The request's JSON around the image, without the closing `max_tokens` value: it is assembled once, not per page.

    LightOnOCR takes the image alone; a prompt, where a recipe has one, follows it as text.
    """
    content: list[Mapping[str, Any]] = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,@"}}]
    if recipe.prompt:
        content.append({"type": "text", "text": recipe.prompt})
    body = {"model": recipe.model, **recipe.sampling, "messages": [{"role": "user", "content": content}]}
    before, after = json.dumps(body).removesuffix("}").split("base64,@", 1)
    return f"{before}base64,".encode(), f'{after}, "max_tokens": '.encode()


def _transcript(response: httpx.Response, seconds: float) -> Transcript:
    try:
        completion = _Completion.model_validate_json(response.content)
    except ValidationError as error:
        raise MalformedAnswer(f"the endpoint's answer is no chat completion: {_excerpt(response.text)}") from error
    if not completion.choices:
        raise MalformedAnswer("the endpoint's answer holds no choices")
    choice = completion.choices[0]
    return Transcript(
        markdown=choice.message.content or "",
        finish_reason=choice.finish_reason or "",
        prompt_tokens=completion.usage.prompt_tokens,
        completion_tokens=completion.usage.completion_tokens,
        seconds=seconds,
    )


def _detail(response: httpx.Response) -> str:
    """Status and the endpoint's own words: OpenAI's error message where there is one."""
    try:
        message = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = response.text
    return f"{response.status_code} {response.reason_phrase}: {_excerpt(message)}".removesuffix(": ")


def _excerpt(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}…"


def _describe(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__} ({error})" if str(error) else type(error).__name__

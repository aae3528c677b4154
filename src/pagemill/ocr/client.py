"""The OCR client: one page image a request, to any endpoint with OpenAI's chat completions API."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from pagemill.domain.pages.model import Recipe, Sampling, Transcript
from pagemill.domain.service.endpoint_url import is_cloud_run, origin
from pagemill.errors import (
    EndpointNotFound,
    EndpointUnavailable,
    MalformedAnswer,
    RequestRejected,
    UsageError,
    WrongModel,
)
from pagemill.ocr.answers import Answer, Models, check_id, detail, excerpt, new_request_id, text_of, transcript
from pagemill.ocr.exchange import Exchange
from pagemill.ocr.failures import NOT_THERE, failure

if TYPE_CHECKING:
    from pagemill.ocr.identity.auth import IdTokenAuth

# A white page of 224 by 224 pixels: no engine fails on it.
_HARMLESS = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAOAAAADgAQAAAAAyVldMAAAAKklEQVR42u3JoQEAAAwCIP9/WvvCLoBK+oiUUkoppZRSSiml"
    "lFJKKaW8BmbdaOmo2byVAAAAAElFTkSuQmCC"
)
_ID_HEADER = "X-Request-Id"
# vLLM from 0.17 on ends an answer (finish_reason `repetition`) that repeats 8 to 64 tokens so often. Leaders of a table
# of contents repeat shorter patterns, and rows of a table are never all alike.
_ENDS_LOOPS = {"repetition_detection": {"min_pattern_size": 8, "max_pattern_size": 64, "min_count": 12}}


class OpenAiRecognizer:
    """Reads pages with one client; a client for each request would cost 25 ms for its TLS context.

    Each page is sent with an id; an answer with another page's id is refused.
    """

    def __init__(
        self,
        locate: Callable[[], Awaitable[str]],
        *,
        recipe: Recipe,
        api_key: str = "",
        connections: int = 8,
        answer_seconds: float = 300.0,
        probe_seconds: float = 60.0,
        auth: IdTokenAuth | None = None,
    ) -> None:
        """Configure; nothing is sent before the first probe.

        Args:
            locate: Returns the endpoint's base URL, with or without `/v1`; starts the embedded one.
            recipe: Names the model and its sampling parameters.
            api_key: Sent as a bearer token, if any.
            connections: Pages in flight at once.
            answer_seconds: How long it may take to read one page, from the connection to the last byte.
            probe_seconds: How long the answer to a probe may take: Cloud Run holds a request while an instance starts.
            auth: Adds identity tokens, if the endpoint requires them.

        Raises:
            UsageError: The key cannot be sent, or a variable for proxies or certificates is wrong.
        """
        self._locate = locate
        self._recipe = recipe
        self._auth = auth
        self._has_key = bool(api_key)
        self._answer_seconds = answer_seconds
        self._probe_seconds = probe_seconds
        self._base_url = ""
        self._before_image, self._after_image = _envelope(recipe, {})
        self._ends_loops = True  # until it refuses
        self._exchange = Exchange(api_key=api_key, auth=auth, connections=connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange.close()

    async def probe(self) -> None:
        """Check once whether the endpoint is healthy and serves the recipe's model.

        Raises:
            EndpointNotFound: There is no endpoint at this address.
            EndpointUnavailable: It is not healthy yet.
            EndpointNeverAnswered: The embedded endpoint does not start.
            UsageError: It serves another model, or refuses our credentials, or is no OCR endpoint.
        """
        self._base_url = (await self._locate()).rstrip("/").removesuffix("/v1")
        health = await self._get("/health")
        # An endpoint that is not vLLM may have no /health; then /v1/models decides.
        if health.status not in NOT_THERE:
            self._assert_well(health, "/health")
        await self._find_model()

    async def prove(self) -> None:
        """Let the endpoint read a white page, and answer with one token.

        Raises:
            EndpointUnavailable: It does not read this page.
            RequestRejected: It refuses this page, too.
            UsageError: It refuses our credentials.
        """
        await self.read(_HARMLESS, max_tokens=1)

    async def read(self, png: bytes, *, max_tokens: int, sampling: Sampling | None = None) -> Transcript:
        """Return the transcript of one page image; one request, no retries.

        An endpoint that refuses to end loops gets the request once more without that, and is never asked again.

        Args:
            png: The image.
            max_tokens: The longest answer, in tokens.
            sampling: How it is sampled; None: as the recipe says.

        Raises:
            EndpointUnavailable: Connection error, timeout, 404, 429, 5xx, or an answer that is no chat completion,
                another request's, or too long.
            RequestRejected: The endpoint refuses this request (other 4xx).
            UsageError: It refuses our credentials, points to another address, or its certificate is refused.
        """
        ends_loops = bool(sampling and sampling.ends_loops and self._ends_loops)
        try:
            return await self._read(png, max_tokens, sampling, ends_loops=ends_loops)
        except RequestRejected:
            if not ends_loops:
                raise
            answer = await self._read(png, max_tokens, sampling, ends_loops=False)
            self._ends_loops = False
            return answer

    async def _read(self, png: bytes, max_tokens: int, sampling: Sampling | None, *, ends_loops: bool) -> Transcript:
        before, after = self._before_image, self._after_image
        if sampling:
            changed: dict[str, Any] = {"temperature": sampling.temperature}
            before, after = _envelope(self._recipe, changed | (_ENDS_LOOPS if ends_loops else {}))
        body = b"".join((before, base64.b64encode(png), after, str(max_tokens).encode(), b"}"))
        request_id = new_request_id()
        started = time.monotonic()
        answer = await self._exchange.post(
            self._pages_url, body, seconds=self._answer_seconds, headers={_ID_HEADER: request_id}
        )
        check_id(answer.headers.get(_ID_HEADER, ""), request_id)
        self._raise_for_status(answer)
        return transcript(answer, request_id, time.monotonic() - started)

    async def first_token_seconds(self, png: bytes) -> float:
        """Time from a request to the first piece of its text, with the answer as a stream of server-sent events.

        Raises:
            EndpointUnavailable: Connection error, timeout, 404, 429, 5xx, or a stream that holds no text.
            RequestRejected: The endpoint refuses this request.
            UsageError: It refuses our credentials.
        """
        body = b"".join((self._before_image, base64.b64encode(png), self._after_image, b'64, "stream": true}'))
        started = time.monotonic()
        stream = self._exchange.lines(self._pages_url, body, seconds=self._answer_seconds, check=self._raise_for_status)
        events = []
        async with contextlib.aclosing(stream) as lines:
            async for line in lines:
                if text_of(line):
                    return time.monotonic() - started
                events.append(line)
        raise MalformedAnswer(f"the endpoint's stream holds no text, only: {excerpt(' '.join(events))}")

    @property
    def _pages_url(self) -> str:
        return f"{self._base_url}/v1/chat/completions"

    async def _get(self, path: str) -> Answer:
        return await self._exchange.get(f"{self._base_url}{path}", seconds=self._probe_seconds)

    async def _find_model(self) -> None:
        answer = await self._get("/v1/models")
        url = f"{self._base_url}/v1/models"
        if answer.status not in NOT_THERE:
            self._assert_well(answer, "/v1/models")
        try:
            served = [model.id for model in Models.model_validate_json(answer.body).data]
        except ValidationError as error:
            raise EndpointNotFound(
                f"{url} does not list models, as OpenAI-compatible endpoints do, but answers {detail(answer)}; "
                "check the endpoint's URL"
            ) from error
        if self._recipe.model not in served:
            raise WrongModel(
                f"the endpoint {self._base_url} does not serve '{self._recipe.model}', it serves "
                f"{excerpt(', '.join(served)) or 'no model'}; set PAGEMILL_MODEL to the one to use"
            )

    def _assert_well(self, answer: Answer, path: str) -> None:
        """Raise if the answer to a probe is an error."""
        error = failure(answer, self._base_url, self._advice(answer.status))
        if isinstance(error, (EndpointUnavailable, UsageError)):
            raise error
        if error:
            raise UsageError(
                f"{self._base_url}{path} answered {detail(answer)}: this is no OCR endpoint, or its URL has another "
                "path; check the endpoint's URL"
            )

    def _raise_for_status(self, answer: Answer) -> None:
        if error := failure(answer, self._base_url, self._advice(answer.status)):
            raise error

    def _advice(self, status: int) -> str:
        """What to do when the endpoint refuses our credentials, or that there are none."""
        if self._auth:
            return self._auth.advice(status)
        if self._has_key and is_cloud_run(self._base_url):
            return "check PAGEMILL_API_KEY; unset it if the service wants an identity token"
        if self._has_key:
            return "check PAGEMILL_API_KEY"
        advice = "if it requires an API key, set PAGEMILL_API_KEY"
        if not self._base_url.startswith("https://"):
            return advice
        return (
            f"{advice}; if it is a Cloud Run service behind a domain of its own, set PAGEMILL_IDENTITY_TOKENS_TO="
            f"{origin(self._base_url)} and add that URL to the service's custom audiences"
        )


def _envelope(recipe: Recipe, changed: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The request's JSON around the image, without the closing `max_tokens` value: it is built once, not for each page.

    LightOnOCR takes only the image; if a recipe has a prompt, it follows the image as text.

    Args:
        recipe: Names the model, the prompt and the sampling.
        changed: Fields in the place of the recipe's, or beside them.
    """
    content: list[Mapping[str, Any]] = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,@"}}]
    if recipe.prompt:
        content.append({"type": "text", "text": recipe.prompt})
    body = {"model": recipe.model, **recipe.sampling, **changed, "messages": [{"role": "user", "content": content}]}
    before, after = json.dumps(body).removesuffix("}").split("base64,@", 1)
    return f"{before}base64,".encode(), f'{after}, "max_tokens": '.encode()

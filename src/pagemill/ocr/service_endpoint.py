"""A URL of the service as its callers use it: with an identity token, and without."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
import stamina

from pagemill.domain.pages.model import Recipe, Transcript
from pagemill.errors import EndpointUnavailable
from pagemill.ocr.answers import describe
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.ocr.identity.auth import IdTokenAuth

_TRIES = 5
_NO_ANSWER = (httpx.HTTPError, TimeoutError)
_TIMEOUT_SECONDS = 60.0  # without a token; Cloud Run refuses such requests before it starts an instance


class HttpsServiceEndpoint:
    """Reads pages with the same client as batches do."""

    def __init__(
        self,
        url: str,
        *,
        audience: str,
        model: str,
        key: Mapping[str, Any] | None = None,
        connections: int = 8,
        answer_seconds: float = 300.0,
    ) -> None:
        """Open the clients; send no requests.

        Args:
            url: Where requests go.
            audience: Audience of the identity tokens: the service's own URL, also for the URL of a traffic tag.
            model: Model name in the requests.
            key: A service account's key, as in its JSON file; None: the machine's own credentials.
            connections: Pages in flight at the same time.
            answer_seconds: How long a page may take.
        """
        self.url = url

        async def here() -> str:
            return url

        self._recognizer = OpenAiRecognizer(
            here,
            recipe=Recipe(model=model),
            connections=connections,
            answer_seconds=answer_seconds,
            auth=IdTokenAuth(audience, also=[url], key=key),
        )
        self._unauthenticated = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._unauthenticated.aclose()
        await self._recognizer.__aexit__(kind, error, trace)

    async def status_without_token(self) -> int:
        """HTTP status of a request without an identity token.

        Raises:
            EndpointUnavailable: No answer.
        """
        try:
            async for attempt in stamina.retry_context(on=_NO_ANSWER, attempts=_TRIES, wait_max=5.0):
                with attempt:
                    return await self._status()
        except _NO_ANSWER as error:
            raise EndpointUnavailable(f"{self.url} does not answer: {describe(error)}") from error
        raise AssertionError("the loop returns or raises")

    async def _status(self) -> int:
        """One request. The body is not read: it says nothing, and it may have no end."""
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            self._unauthenticated.stream("GET", f"{self.url}/health") as response,
        ):
            return response.status_code

    async def probe(self) -> None:
        """Check once whether the service is healthy and serves the model.

        Raises:
            EndpointUnavailable: It is not healthy yet.
            EndpointRefusesUs: It refuses our token.
            WrongModel: It serves another model.
        """
        await self._recognizer.probe()

    async def first_token_seconds(self, png: bytes) -> float:
        """Seconds from a request to the first piece of its text.

        Raises:
            PagemillError: There is no text.
        """
        return await self._recognizer.first_token_seconds(png)

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        """Return the transcript of one page image.

        Raises:
            PagemillError: There is no transcript.
        """
        return await self._recognizer.read(png, max_tokens=max_tokens)

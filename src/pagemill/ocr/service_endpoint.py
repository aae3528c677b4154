"""A URL of the service as its callers meet it: with an identity token, and without."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
import stamina

from pagemill.domain.pages.model import Recipe, Transcript
from pagemill.errors import EndpointUnavailable
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.ocr.identity.auth import IdTokenAuth

_TRIES = 5
_SECONDS = 60.0  # Cloud Run refuses before it starts an instance


class HttpsServiceEndpoint:
    """Reads pages with the client that batches use."""

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
        """Configure; nothing is sent yet.

        Args:
            url: Where to ask.
            audience: The service's own URL, which identity tokens are made for whichever of its URLs they are sent to.
            model: The name that requests ask for.
            key: A service account's, as in its JSON file; None: the machine's own credentials.
            connections: Pages in flight at once.
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
        self._unauthenticated = httpx.AsyncClient(timeout=_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._unauthenticated.aclose()
        await self._recognizer.__aexit__(kind, error, trace)

    async def status_without_token(self) -> int:
        """HTTP status that a caller gets who does not say who they are.

        Raises:
            EndpointUnavailable: None at all.
        """
        try:
            async for attempt in stamina.retry_context(on=httpx.HTTPError, attempts=_TRIES, wait_max=5.0):
                with attempt:
                    response = await self._unauthenticated.get(f"{self.url}/health")
        except httpx.HTTPError as error:
            raise EndpointUnavailable(f"{self.url} gives no answer: {type(error).__name__} ({error})") from error
        return response.status_code

    async def probe(self) -> None:
        """Look once whether the service is healthy and serves the model.

        Raises:
            EndpointUnavailable: Not yet.
            EndpointRefusesUs: We are not let in.
            WrongModel: It serves another.
        """
        await self._recognizer.probe()

    async def first_token_seconds(self, png: bytes) -> float:
        """Time from a request to the first piece of its text.

        Raises:
            PagemillError: There is none.
        """
        return await self._recognizer.first_token_seconds(png)

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        """Return the transcript of one page image.

        Raises:
            PagemillError: There is none.
        """
        return await self._recognizer.read(png, max_tokens=max_tokens)

"""Which endpoint a run sends its pages to, and the client of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pagemill.config.run import LOOPBACK, Settings
from pagemill.domain.pages.model import Recipe
from pagemill.local_endpoint.engines import EngineName, choose_engine
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.ocr.embedded import EmbeddedEndpoint
from pagemill.orchestration.parameters import OcrBatchParameters

if TYPE_CHECKING:
    from pagemill.ocr.identity.auth import IdTokenAuth


@dataclass(frozen=True, slots=True)
class ChosenEndpoint:
    """Where pages are sent to: a URL, or the embedded service with its engine."""

    url: str  # empty for the embedded service
    engine: EngineName | None

    @property
    def billed(self) -> bool:
        """Whether time at the endpoint costs money: not on this machine."""
        return urlsplit(self.url).hostname not in {None, *LOOPBACK}


def chosen_endpoint(parameters: OcrBatchParameters, settings: Settings) -> ChosenEndpoint:
    """The endpoint of a run.

    Raises:
        UsageError: The embedded service has no engine.
    """
    url = endpoint_url(parameters, settings)
    return ChosenEndpoint(url, None if url else choose_engine(settings.local_engine, tessdata=settings.tessdata_prefix))


async def open_recognizer(
    endpoint: ChosenEndpoint,
    settings: Settings,
    recipe: Recipe,
    stack: contextlib.AsyncExitStack,
    *,
    connections: int,
    key: Mapping[str, Any] | None,
) -> OpenAiRecognizer:
    """The client of the endpoint. The embedded service starts when the client first asks for its URL."""
    embedded = EmbeddedEndpoint(
        engine=endpoint.engine or "auto", start_seconds=settings.wake_seconds, tessdata=settings.tessdata_prefix
    )

    async def locate() -> str:
        return await embedded.locate() if endpoint.engine else endpoint.url

    await stack.enter_async_context(embedded)
    return await stack.enter_async_context(
        OpenAiRecognizer(
            locate,
            recipe=recipe,
            api_key=settings.api_key.get_secret_value(),
            connections=connections,
            answer_seconds=settings.answer_seconds,
            auth=endpoint_auth(endpoint.url, settings, key),
        )
    )


def endpoint_url(parameters: OcrBatchParameters, settings: Settings) -> str:
    """The endpoint's URL; empty for the embedded one."""
    chosen = parameters.endpoint or settings.service_url
    return "" if chosen == "local" else chosen


def endpoint_auth(url: str, settings: Settings, key: Mapping[str, Any] | None) -> IdTokenAuth | None:
    """Identity tokens, where the endpoint may want them: over TLS, unless it has an API key."""
    if urlsplit(url).scheme != "https" or settings.api_key.get_secret_value():
        return None
    from pagemill.ocr.identity.auth import IdTokenAuth  # noqa: PLC0415 -- only such endpoints need Google's libraries

    return IdTokenAuth(url, key=key)

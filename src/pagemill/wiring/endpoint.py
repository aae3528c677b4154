"""Which endpoint a run sends its pages to, and the client of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pagemill.config.run import Settings
from pagemill.domain.pages.model import Recipe
from pagemill.domain.service.endpoint_url import checked, is_cloud_run, is_loopback, origin
from pagemill.errors import UsageError
from pagemill.local_endpoint.engines import EngineName, choose_engine
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.ocr.embedded import EmbeddedEndpoint
from pagemill.wiring.parameters import OcrBatchParameters

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
        return bool(self.url) and not is_loopback(self.url)


def chosen_endpoint(parameters: OcrBatchParameters, settings: Settings) -> ChosenEndpoint:
    """The endpoint of a run.

    Raises:
        UsageError: The URL is not valid or holds a secret, our key would be sent in the clear, or the embedded service
            has no engine.
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
            api_key=api_key_for(endpoint.url, settings),
            connections=connections,
            answer_seconds=settings.answer_seconds,
            auth=endpoint_auth(endpoint.url, settings, key),
        )
    )


def endpoint_url(parameters: OcrBatchParameters, settings: Settings) -> str:
    """The endpoint's URL; empty for the embedded one.

    Raises:
        UsageError: It is not valid or holds a secret, or our key would be sent in the clear.
    """
    return checked_url(parameters.endpoint, settings)


def checked_url(asked: str, settings: Settings) -> str:
    """The endpoint's URL; empty for the embedded one.

    Args:
        asked: The endpoint in the run's parameters, if any.
        settings: Name the endpoint otherwise.

    Raises:
        UsageError: It is not valid or holds a secret, or our key would be sent in the clear.
    """
    url = checked(asked, name="endpoint") if asked else checked(settings.service_url, name="LIGHTONOCR_SERVICE_URL")
    if not url or not api_key_for(url, settings):
        return url
    if not url.startswith("https://") and not is_loopback(url) and not settings.api_key_over_http:
        raise UsageError(
            f"PAGEMILL_API_KEY would be sent to {url} without TLS, where anybody on the way can read it: use https://, "
            "or set PAGEMILL_API_KEY_OVER_HTTP=true if the network is trusted"
        )
    return url


def endpoint_auth(url: str, settings: Settings, key: Mapping[str, Any] | None) -> IdTokenAuth | None:
    """Identity tokens, for a service of Cloud Run or an endpoint that a setting names; none beside an API key.

    Never because an endpoint asks for them: whoever has a token can call other services with it.

    Raises:
        UsageError: The setting is not a URL over TLS.
    """
    tokens_to = _named("PAGEMILL_IDENTITY_TOKENS_TO", settings.identity_tokens_to)
    if tokens_to and not tokens_to.startswith("https://"):
        raise UsageError(f"PAGEMILL_IDENTITY_TOKENS_TO is {tokens_to}: identity tokens are sent over https:// only")
    if api_key_for(url, settings) or not (is_cloud_run(url) or (tokens_to and origin(tokens_to) == origin(url))):
        return None
    from pagemill.ocr.identity.auth import IdTokenAuth  # noqa: PLC0415 -- only such endpoints need Google's libraries

    return IdTokenAuth(url, key=key)


def api_key_for(url: str, settings: Settings) -> str:
    """Our key, if this endpoint gets it; empty otherwise.

    Without PAGEMILL_API_KEY_TO every endpoint that a run names gets it, as whoever types a command wants it. With forms
    that others fill in, they would choose who gets it.

    Raises:
        UsageError: The setting is not a URL.
    """
    key, key_to = settings.api_key.get_secret_value(), _named("PAGEMILL_API_KEY_TO", settings.api_key_to)
    return key if url and (not key_to or origin(key_to) == origin(url)) else ""


def _named(variable: str, setting: str) -> str:
    """The URL in a setting that names an endpoint; empty if it names none."""
    if setting == "local":
        raise UsageError(f"{variable} is 'local', and the embedded endpoint gets neither keys nor tokens; unset it")
    return checked(setting, name=variable)

"""The Prefect server that runs share, as opposed to a private one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import httpx
from prefect import get_client
from prefect.context import get_settings_context
from prefect.exceptions import PrefectException, PrefectSignal
from prefect.settings import PREFECT_API_URL, get_current_settings

from pagemill.config.environment import is_set
from pagemill.config.prefect_api import NO_SERVER
from pagemill.config.urls import check_http_url, without_password
from pagemill.domain.wording import said
from pagemill.errors import UsageError
from pagemill.orchestration.server.listening import unusable_server, wrong_url

_ANSWER_SECONDS = 20.0
_VARIABLE = "PREFECT_API_URL"


def configured_url() -> str:
    """The URL of the server that Prefect's settings name, as a run uses it; empty if there is none."""
    return str(get_current_settings().api.url or "")


async def require_server() -> str:
    """Return the URL of the configured Prefect server, after a health check.

    Raises:
        UsageError: None is configured, or it does not answer.
    """
    if not configured_url():
        raise UsageError(NO_SERVER)
    return await check_server()


async def check_server() -> str:
    """Return the URL of the configured Prefect server, without a password, after a health check.

    Raises:
        UsageError: It does not. The message says where its URL comes from.
    """
    url, whence = configured_url(), _whence()
    try:
        shown = without_password(check_http_url(url))
    except ValueError as error:
        raise wrong_url(error, whence) from None
    if problem := await _problem():
        raise unusable_server(shown, problem, whence)
    return shown


@contextlib.contextmanager
def server_errors_named() -> Iterator[None]:
    """Name the server in errors of requests to it.

    Raises:
        UsageError: In the place of an error of Prefect's client.
    """
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, PrefectException, PrefectSignal) as error:
        raise UsageError(
            f"the Prefect server {without_password(configured_url())} does not answer as expected: {said(error)}; "
            "check that it runs, then run again: finished pages are kept"
        ) from error


async def _problem() -> str:
    """Why the server cannot be used; empty if it can."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS), get_client() as client:
            response = await client.request("GET", "/health")
            response.json()
    except TimeoutError:
        return f"does not answer within {_ANSWER_SECONDS:g} s"
    except httpx.HTTPStatusError as error:
        return f"answers {error.response.status_code}; its API is usually below /api"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"does not answer: {said(error)}"
    except ValueError:  # no JSON
        return "does not answer as Prefect's API does, which is usually below /api"
    return ""


def _whence() -> str:
    """Where the URL comes from: Prefect takes the first of these that names one."""
    if is_set(_VARIABLE):
        return f"the variable {_VARIABLE}"
    profile = get_settings_context().profile
    if PREFECT_API_URL in profile.settings:
        return f"Prefect's profile '{profile.name}' in {get_current_settings().profiles_path}"
    return "a file with Prefect's settings: .env, prefect.toml or pyproject.toml"

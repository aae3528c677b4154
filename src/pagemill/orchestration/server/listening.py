"""Whether something listens where the configured Prefect server should be. Nothing here imports Prefect."""

from __future__ import annotations

import socket

from pagemill.config.prefect_api import NO_SERVER, ConfiguredApi, configured_api
from pagemill.config.urls import LOOPBACK, check_http_url, split_url, without_password
from pagemill.errors import UsageError

_CONNECT_SECONDS = 1.0


def check_listens(api: ConfiguredApi) -> None:
    """Refuse a URL that is none, or of a server on this machine that is not there, before Prefect is imported.

    Raises:
        UsageError: The message says where the URL comes from.
    """
    if not api.url:
        return
    try:
        parts = split_url(check_http_url(api.url))
    except ValueError as error:
        raise wrong_url(error, api.whence) from None
    if parts.hostname not in LOOPBACK:
        return  # between here and there may be proxies: Prefect asks
    try:
        address = parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection(address, _CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        raise unusable_server(without_password(api.url), "does not answer: nothing listens there", api.whence) from None
    except OSError:
        return  # Prefect may know more


def require_listening() -> None:
    """Refuse to go on where no server is configured, or one on this machine is not there, before Prefect is imported.

    Raises:
        UsageError: The message says how to get one, or where the URL comes from.
    """
    api = configured_api()
    if api is None:
        raise UsageError(NO_SERVER)
    check_listens(api)


def wrong_url(problem: ValueError, whence: str) -> UsageError:
    """The error for what is no URL."""
    return UsageError(f"the Prefect server's URL, from {whence}, {problem}")


def unusable_server(url: str, problem: str, whence: str) -> UsageError:
    """The error for a server that cannot be used."""
    return UsageError(
        f"the Prefect server {url} {problem}. The URL comes from {whence}; start the server with: prefect server "
        "start; or correct the URL, or unset it: runs then read without Prefect"
    )

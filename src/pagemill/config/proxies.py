"""Proxies between this machine and others, as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from pagemill.config.urls import LOOPBACK
from pagemill.errors import UsageError

_EXCEPT = ("NO_PROXY", "no_proxy")  # libraries differ in which of the two they read
_SCHEMES = {"http", "https", "socks5", "socks5h"}  # httpx knows no others
_USED = ("http", "https", "all")


def exempt_own_addresses() -> None:
    """Keep requests to this machine away from proxies, in this process and in those that it starts.

    The private Prefect server, the embedded OCR service and emulators listen on loopback, where no proxy can reach
    them: `localhost` would be the proxy's own machine.
    """
    exempt = [name.strip() for variable in _EXCEPT for name in os.environ.get(variable, "").split(",")]
    names = ",".join(dict.fromkeys([*filter(None, exempt), *LOOPBACK]))
    for variable in _EXCEPT:
        os.environ[variable] = names


def check_proxies() -> None:
    """Refuse proxies that cannot be used, before something is sent.

    Raises:
        UsageError: The URL of a proxy is wrong; the message names each such variable.
    """
    if wrong := list(_wrong_proxies()):
        raise UsageError(f"{'; '.join(wrong)}; correct or unset it")


def _wrong_proxies() -> Iterator[str]:
    for scheme, url in getproxies_environment().items():
        if scheme not in _USED or not url:
            continue
        variable = next(name for name in os.environ if name.lower() == f"{scheme}_proxy" and os.environ[name] == url)
        if problem := _problem(url):
            yield f"the proxy in {variable} {problem}"


def _problem(url: str) -> str:
    """What is wrong with the URL of a proxy; empty if nothing is. The URL is not repeated: it may hold a password."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "is no URL"
    if parts.scheme.lower() not in _SCHEMES:
        return f"has the scheme {parts.scheme}, and only {', '.join(sorted(_SCHEMES))} can be used"
    return "" if complete else "names no host"

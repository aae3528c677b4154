"""The URL of an OCR endpoint: what is refused before anything is sent to it, and what its host says."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from pagemill.errors import UsageError

_LONGEST = 2048
_SCHEMES = {"http", "https"}
_EMBEDDED = {"", "local"}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_CLOUD_RUN = ".run.app"
_EXAMPLE = "as in https://ocr.example.com or http://127.0.0.1:8000"


def checked(url: str, *, name: str) -> str:
    """Return the URL of an endpoint, if requests can be sent to it; empty for the embedded one ('' or 'local').

    What may be a secret is in no message: a user name, a password, a query.

    Args:
        url: As it was given.
        name: What gave it, for the message: an option, a setting.

    Raises:
        UsageError: It cannot; the message says why.
    """
    if url in _EMBEDDED:
        return ""
    if "@" in url:
        raise UsageError(
            f"the URL in {name} holds a user name or a password (@), which would be written into results and logs; "
            "leave it out, and if the endpoint requires a key, set PAGEMILL_API_KEY"
        )
    if "?" in url or "#" in url:
        raise UsageError(f"the URL in {name} holds a query or a fragment, which is not sent; end it before ? and #")
    if problem := _problem(url):
        raise UsageError(f"{name} '{url[:_LONGEST]}' {problem}")
    return url


def is_loopback(url: str) -> bool:
    """Whether a URL is that of a service on this machine."""
    host = (_split(url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def is_cloud_run(url: str) -> bool:
    """Whether a URL is one that Cloud Run gives to services: over TLS, below run.app."""
    parts = _split(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(_CLOUD_RUN)


def origin(url: str) -> str:
    """Scheme, host and port of a URL, in lower case; the port only if it is not that of the scheme."""
    parts = _split(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, default} else "")


def _problem(url: str) -> str:
    """What is wrong with a URL; empty if nothing is."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        return f"has no scheme: type http:// or https:// before it, {_EXAMPLE}"
    if scheme not in _SCHEMES:
        return f"has a scheme that is neither http nor https: type a URL {_EXAMPLE}"
    if len(url) > _LONGEST or not url.isprintable() or " " in url or "\\" in url:
        return f"holds a character that no URL has, or is longer than {_LONGEST} characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has a host or a port that is not valid: a port is a number from 1 to 65535"
    if port == 0 or not _is_host(parts.hostname or ""):
        return f"has a host or a port that is not valid: type a URL {_EXAMPLE}"
    return ""


def _is_host(host: str) -> bool:
    """Whether it is an address, or a name that could be resolved."""
    if ":" in host or host.replace(".", "").isdigit():
        return _is_address(host)
    try:
        encoded = host.encode("idna").decode()
    except UnicodeError:  # a label is empty or too long, or holds a character that no name has
        return False
    return bool(_HOST.fullmatch(encoded))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _split(url: str) -> SplitResult:
    return urlsplit(url.lower())

"""What a URL in an option or a setting has to be."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")  # this machine, as people and variables name it


def split_url(url: str) -> SplitResult:
    """Split a URL whose host and port can be used.

    Raises:
        ValueError: They cannot; the message is for the user, and does not repeat the URL, which may hold a password.
    """
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("is no URL: there is white space or an invisible character in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:
        raise ValueError("is no URL: its host or port is wrong; write for example http://127.0.0.1:8000") from None
    if not host or port == 0:
        raise ValueError("is no URL with a host; write for example http://127.0.0.1:8000")
    return parts


def check_http_url(url: str) -> str:
    """Return a URL that requests can be sent to.

    Raises:
        ValueError: It is none; the message is for the user.
    """
    if split_url(url).scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    return url


def without_password(url: str) -> str:
    """A URL for messages and logs: the user and the password in it, if any, are left out."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

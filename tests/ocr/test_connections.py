"""Connections that are not made: what will not pass by itself is said at once, and in words."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from pagemill.domain.pages.model import Recipe
from pagemill.errors import (
    EndpointNotFound,
    EndpointUnavailable,
    NothingListens,
    OutOfResources,
    PagemillError,
    UsageError,
)
from pagemill.ocr.client import OpenAiRecognizer
from tests.fakes.ocr_endpoint import MODEL


async def _error(url: str) -> PagemillError:
    async def locate() -> str:
        return url

    async with OpenAiRecognizer(locate, recipe=Recipe(MODEL)) as recognizer:
        with pytest.raises(PagemillError) as error:
            await recognizer.probe()
    return error.value


@asynccontextmanager
async def _tls_endpoint(certificate: trustme.LeafCert) -> AsyncIterator[str]:
    """Accepts connections over TLS with this certificate, and closes them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("trusted", "names", "says"),
    [
        (False, ["127.0.0.1"], "unable to get local issuer certificate"),
        (True, ["ocr.example"], "IP address mismatch"),
        (True, ["expired.example"], "IP address mismatch"),
    ],
)
async def test_a_certificate_that_is_refused_is_wrong_usage_and_says_why(
    *, trusted: bool, names: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async with _tls_endpoint(authority.issue_cert(*names)) as url:
        error = await _error(url)

    assert isinstance(error, UsageError)
    assert f"the certificate of {url}/health is refused: " in str(error)
    assert says in str(error)
    assert "SSL_CERT_FILE" in str(error)


async def test_an_endpoint_without_tls_behind_https_is_wrong_usage() -> None:
    plain = await asyncio.start_server(
        lambda _, writer: _reply(writer, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), "127.0.0.1", 0
    )
    async with plain:
        error = await _error(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}")

    assert isinstance(error, UsageError)
    assert "does not speak TLS" in str(error)
    assert "http://" in str(error)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 64 + ".invalid"])
async def test_a_host_that_does_not_exist_is_not_found_and_named(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve_to(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), monkeypatch)

    error = await _error(f"http://{host}")

    assert isinstance(error, EndpointNotFound)
    assert f"http://{host}/health: there is no host of this name" in str(error)


async def test_a_name_server_that_does_not_answer_may_answer_later(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve_to(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), monkeypatch)

    error = await _error("http://ocr.example")

    assert isinstance(error, EndpointUnavailable)
    assert not isinstance(error, EndpointNotFound)
    assert not error.page_may_be_the_cause


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9", "0.0.0.0"])
async def test_nothing_listens_at_any_address_of_this_machine(host: str) -> None:
    assert isinstance(await _error(f"http://{host}:9"), NothingListens)


async def test_a_refused_connection_to_another_machine_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve_to(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), monkeypatch)

    error = await _error("http://ocr.example")

    assert isinstance(error, EndpointUnavailable)
    assert not isinstance(error, EndpointNotFound)


async def test_a_machine_that_can_open_no_connection_is_no_trouble_of_the_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _resolve_to(OSError(errno.EMFILE, "Too many open files"), monkeypatch)

    assert isinstance(await _error("http://ocr.example"), OutOfResources)


@pytest.mark.parametrize(("status", "kind"), [(407, UsageError), (403, UsageError), (502, EndpointUnavailable)])
async def test_a_proxy_that_refuses_us_is_wrong_usage_and_one_that_fails_is_waited_for(
    status: int, kind: type[PagemillError], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = f"HTTP/1.1 {status} By the proxy\r\nContent-Length: 0\r\n\r\n".encode()
    server = await asyncio.start_server(lambda _, writer: _reply(writer, refusal), "127.0.0.1", 0)
    async with server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        error = await _error("https://ocr.example")

    assert isinstance(error, kind)
    assert f"{status} By the proxy" in str(error)


async def test_records_of_tls_that_cannot_be_read_are_a_failure_of_the_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    def garble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(garble, "127.0.0.1", 0, ssl=context)
    async with server:
        error = await _error(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert isinstance(error, EndpointUnavailable)


def _reply(writer: asyncio.StreamWriter, answer: bytes) -> None:
    writer.write(answer)
    writer.close()


def _resolve_to(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a name is looked up, as the machine would."""

    async def getaddrinfo(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)

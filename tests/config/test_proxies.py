"""Proxies do not come between this machine and itself."""

from __future__ import annotations

import os
from urllib.request import proxy_bypass

import httpx
import pytest
from requests.utils import should_bypass_proxies

from pagemill.config.proxies import check_proxies, exempt_own_addresses
from pagemill.errors import UsageError

_OWN = ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "")  # what a test sets is gone afterwards
    monkeypatch.setenv("no_proxy", "")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("url", _OWN)
def test_requests_to_this_machine_take_no_proxy(variable: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://192.0.2.1:3128")

    exempt_own_addresses()

    with httpx.Client() as client:
        assert "Proxy" not in repr(client._transport_for_url(httpx.URL(url))._pool)  # type: ignore[attr-defined]  # noqa: SLF001
        other = client._transport_for_url(httpx.URL("http://example.com"))  # noqa: SLF001
        assert "Proxy" in repr(other._pool)  # type: ignore[attr-defined]  # noqa: SLF001
    assert should_bypass_proxies(url, no_proxy=None)
    assert proxy_bypass(httpx.URL(url).host)


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_what_was_exempt_stays_exempt(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "internal.example, 10.0.0.7")

    exempt_own_addresses()
    exempt_own_addresses()

    exempt = "internal.example,10.0.0.7,localhost,127.0.0.1,::1"
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == exempt


@pytest.mark.parametrize("url", ["http://proxy:3128", "proxy:3128", "socks5://u:p@proxy:1080", "https://[::1]:1", ""])
def test_a_proxy_that_can_be_used_is_accepted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", url)

    check_proxies()
    httpx.Client().close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://proxy", "has the scheme ftp"),
        ("socks4://proxy", "has the scheme socks4"),
        ("http://[::1", "is no URL"),
        ("http://user:secret@proxy:99999", "is no URL"),
        ("http://", "names no host"),
        (":3128", "names no host"),
    ],
)
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "https_proxy", "All_Proxy"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_and_not_repeated(
    variable: str, url: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, url)

    with pytest.raises(UsageError) as error:
        check_proxies()

    assert f"the proxy in {variable} {problem}" in str(error.value)
    assert "secret" not in str(error.value)

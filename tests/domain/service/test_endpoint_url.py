from __future__ import annotations

import pytest

from pagemill.domain.service.endpoint_url import checked, is_cloud_run, is_loopback, origin
from pagemill.errors import UsageError


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "https://ocr.example/v1/",
        "https://lightonocr-abc-ew4.a.run.app",
        "http://[::1]:8000/v1",
        "http://vllm_server:8000",
        "https://größe.example",
        "http://localhost",
        "https://10.0.0.1:65535/a/b",
    ],
)
def test_a_url_that_requests_can_be_sent_to_is_taken_as_it_is(url: str) -> None:
    assert checked(url, name="--endpoint") == url


@pytest.mark.parametrize("nothing", ["", "local"])
def test_the_embedded_endpoint_has_no_url(nothing: str) -> None:
    assert checked(nothing, name="--endpoint") == ""


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ocr.example:8000", "has no scheme: type http:// or https://"),
        ("127.0.0.1:8000/v1", "has no scheme"),
        ("localhost", "has no scheme"),
        ("//ocr.example", "has no scheme"),
        ("ftp://ocr.example", "neither http nor https"),
        ("HTTP://ocr.example", "neither http nor https"),
        ("http://127.0.0.1:99999", "a port is a number from 1 to 65535"),
        ("http://127.0.0.1:0", "port that is not valid"),
        ("http://127.0.0.1:-1", "a port is a number from 1 to 65535"),
        ("http://ocr.example:http", "a port is a number from 1 to 65535"),
        ("http://", "a host or a port"),
        ("http://:8000", "a host or a port"),
        ("http:///v1", "a host or a port"),
        ("http://[::1", "a host or a port"),
        ("http://[::g]", "a host or a port"),
        ("http://256.1.1.1", "a host or a port"),
        ("http://1.2.3", "a host or a port"),
        ("http://a..b", "a host or a port"),
        ("http://-a.example", "a host or a port"),
        (f"http://{'x' * 64}.example", "a host or a port"),
        ("http://a b.example", "holds a character that no URL has"),
        ("http://a\\b.example", "holds a character that no URL has"),
        ("http://a.example/\n", "holds a character that no URL has"),
        ("http://a.example/\u202e", "holds a character that no URL has"),
        (f"http://a.example/{'x' * 3000}", "longer than 2048 characters"),
    ],
)
def test_a_url_that_no_request_can_be_sent_to_is_refused_in_words(url: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        checked(url, name="--endpoint")

    assert says in str(error.value)
    assert str(error.value).startswith("--endpoint '")
    assert len(str(error.value)) < 2300


@pytest.mark.parametrize(
    "url",
    [
        "http://user:S3cret@ocr.example",
        "https://S3cret@ocr.example/v1",
        "user:S3cret@ocr.example:8000",
        "ftp://user:S3cret@ocr.example",
        "http:///user:S3cret@ocr.example",
        "http://user:S3cret@ocr.example:99999",
        "http://a\\b:S3cret@ocr.example",
        "https://ocr.example/v1?key=S3cret",
        "https://ocr.example?key=S3cret",
        "ocr.example?key=S3cret",
        "https://ocr.example/#S3cret",
        "http://[::1?S3cret",
    ],
)
def test_what_may_be_a_secret_is_refused_and_never_quoted(url: str) -> None:
    with pytest.raises(UsageError, match=r"user name or a password|query or a fragment") as error:
        checked(url, name="LIGHTONOCR_SERVICE_URL")

    assert "LIGHTONOCR_SERVICE_URL" in str(error.value)
    assert "S3cret" not in str(error.value)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.1.2.3", "[::1]", "0.0.0.0"]
)
def test_addresses_of_this_machine_are_known(host: str) -> None:
    assert is_loopback(f"http://{host}:8000/v1")


@pytest.mark.parametrize("host", ["ocr.example", "localhost.example", "128.0.0.1", "[::2]", "127.0.0.1.example"])
def test_other_machines_are_not_taken_for_this_one(host: str) -> None:
    assert not is_loopback(f"http://{host}:8000/v1")


@pytest.mark.parametrize(
    "url", ["https://a-b-ew4.a.run.app", "https://a-1.europe-west4.run.app/v1", "https://a.b.RUN.APP:443"]
)
def test_a_service_of_cloud_run_is_known_by_its_host(url: str) -> None:
    assert is_cloud_run(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.a.run.app",
        "https://run.app",
        "https://a.run.app.example",
        "https://evilrun.app",
        "https://example/a.run.app",
        "https://a.run.app.",
    ],
)
def test_a_host_that_only_looks_like_cloud_run_is_none(url: str) -> None:
    assert not is_cloud_run(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://OCR.example/v1", "https://ocr.example"),
        ("https://ocr.example:443", "https://ocr.example"),
        ("https://ocr.example:8443/", "https://ocr.example:8443"),
        ("http://[::1]:80/v1", "http://[::1]"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, expected: str) -> None:
    assert origin(url) == expected

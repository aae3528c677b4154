"""Which URL a run sends to, and who gets a key or a token."""

from __future__ import annotations

import pytest

from pagemill.config.run import read_settings
from pagemill.errors import UsageError
from pagemill.wiring.endpoint import api_key_for, checked_url, endpoint_auth
from pagemill.wiring.parameters import OcrBatchParameters


def _parameters(endpoint: str) -> OcrBatchParameters:
    return OcrBatchParameters(source="in", destination="out", endpoint=endpoint)


@pytest.mark.parametrize(
    ("url", "setting", "audience"),
    [
        ("https://ocr-abc-ew4.a.run.app/v1", "", "https://ocr-abc-ew4.a.run.app"),
        ("https://ocr.example/v1", "https://ocr.example", "https://ocr.example"),
        ("https://ocr.example:443", "https://OCR.example/", "https://ocr.example"),
        ("https://third.party", "", None),
        ("https://third.party", "https://ocr.example", None),
        ("https://ocr.example:8443", "https://ocr.example", None),
        ("http://ocr.example", "https://ocr.example", None),
        ("https://run.app.example", "", None),
        ("http://127.0.0.1:8000", "", None),
    ],
)
def test_identity_tokens_go_to_cloud_run_and_to_what_a_setting_names(
    url: str, setting: str, audience: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_IDENTITY_TOKENS_TO", setting)

    auth = endpoint_auth(url, read_settings(), None)

    assert (auth.audience if auth else None) == audience


def test_an_endpoint_with_a_key_gets_no_identity_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_API_KEY", "key")

    assert endpoint_auth("https://ocr-abc-ew4.a.run.app", read_settings(), None) is None


@pytest.mark.parametrize("setting", ["http://ocr.example", "ocr.example", "local", "https://user:S3cret@ocr.example"])
def test_tokens_are_not_promised_to_what_is_no_url_over_tls(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_IDENTITY_TOKENS_TO", setting)

    with pytest.raises(UsageError, match="PAGEMILL_IDENTITY_TOKENS_TO") as error:
        endpoint_auth("https://ocr.example", read_settings(), None)

    assert "S3cret" not in str(error.value)


@pytest.mark.parametrize("url", ["http://ocr.example", "http://vllm:8000/v1", "http://10.0.0.7:8000"])
def test_a_key_is_not_sent_in_the_clear_to_another_machine_unless_a_setting_says_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_API_KEY", "S3cret")
    with pytest.raises(UsageError, match=r"PAGEMILL_API_KEY_OVER_HTTP=true") as error:
        checked_url(url, read_settings())
    assert "S3cret" not in str(error.value)

    monkeypatch.setenv("PAGEMILL_API_KEY_OVER_HTTP", "true")
    assert checked_url(url, read_settings()) == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "https://ocr.example"])
def test_a_key_is_sent_over_tls_and_to_this_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_API_KEY", "key")

    assert checked_url(url, read_settings()) == url


@pytest.mark.parametrize(
    ("url", "setting", "sent"),
    [
        ("https://third.party/v1", "", "key"),
        ("http://127.0.0.1:8000", "", "key"),
        ("https://ocr.example/v1", "https://ocr.example", "key"),
        ("https://OCR.example:443", "https://ocr.example/v1", "key"),
        ("https://third.party", "https://ocr.example", ""),
        ("http://ocr.example", "https://ocr.example", ""),
        ("https://ocr.example:8443", "https://ocr.example", ""),
        ("https://ocr-abc-ew4.a.run.app", "https://ocr.example", ""),
    ],
)
def test_a_key_goes_to_the_endpoint_of_a_run_or_only_to_the_one_that_a_setting_names(
    url: str, setting: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_API_KEY", "key")
    monkeypatch.setenv("PAGEMILL_API_KEY_TO", setting)
    settings = read_settings()

    assert api_key_for(url, settings) == sent
    assert checked_url(url, settings) == url  # what gets no key may be without TLS
    assert bool(endpoint_auth(url, settings, None)) == url.endswith(".run.app")


@pytest.mark.parametrize("setting", ["ocr.example", "local", "https://user:S3cret@ocr.example"])
def test_a_key_is_not_promised_to_what_is_no_url(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_API_KEY", "S3cret")
    monkeypatch.setenv("PAGEMILL_API_KEY_TO", setting)

    with pytest.raises(UsageError, match="PAGEMILL_API_KEY_TO") as error:
        checked_url("https://ocr.example", read_settings())

    assert "S3cret" not in str(error.value)


@pytest.mark.parametrize("wrong", ["http://user:S3cret@ocr.example", "https://ocr.example?key=S3cret", "ocr.example"])
def test_a_wrong_url_in_the_environment_is_named_with_its_variable(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTONOCR_SERVICE_URL", wrong)

    with pytest.raises(UsageError, match="LIGHTONOCR_SERVICE_URL") as error:
        checked_url("", read_settings())

    assert "S3cret" not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    ["http://user:S3cret@ocr.example", "https://ocr.example?key=S3cret", "//S3cret@x", "http://127.0.0.1:99999"],
)
def test_parameters_with_a_wrong_url_are_refused_without_quoting_it(wrong: str) -> None:
    with pytest.raises(UsageError, match="endpoint") as error:
        _parameters(wrong)

    assert "S3cret" not in str(error.value)


@pytest.mark.parametrize("endpoint", ["", "local", "http://127.0.0.1:8000", "https://ocr.example/v1/"])
def test_parameters_with_an_endpoint_are_what_the_form_of_the_ui_accepts(endpoint: str) -> None:
    assert _parameters(endpoint).endpoint == endpoint

from __future__ import annotations

import pytest

from pagemill.config.run import read_settings
from pagemill.errors import UsageError


def test_settings_have_defaults_for_everything() -> None:
    assert read_settings().model == "lightonai/LightOnOCR-2-1B"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "localhost:4443", "http://[::1]:9"])
def test_an_emulator_on_this_machine_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)

    assert read_settings().storage_emulator_host == url


@pytest.mark.parametrize("url", ["https://storage.example.com", "10.0.0.7:4443", "http://127.0.0.1.example.com"])
def test_an_emulator_on_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)

    with pytest.raises(UsageError, match=r"STORAGE_EMULATOR_HOST.* loopback"):
        read_settings()


def test_all_invalid_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_MAX_TOKENS", "many")
    monkeypatch.setenv("PAGEMILL_PAGE_SECONDS", "-1")

    with pytest.raises(UsageError, match=r"PAGEMILL_MAX_TOKENS='many'.*PAGEMILL_PAGE_SECONDS='-1'"):
        read_settings()

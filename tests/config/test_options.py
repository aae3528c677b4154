from __future__ import annotations

import pytest

from pagemill.config.options import set_for_this_process
from pagemill.config.run import read_settings
from pagemill.errors import UsageError


def test_options_replace_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_MODEL", "one")
    monkeypatch.setenv("PAGEMILL_API_KEY", "a key")
    monkeypatch.setenv("OTHER_KEY", "another key")

    set_for_this_process(model="other/model", api_key_env="OTHER_KEY")

    settings = read_settings()
    assert settings.model == "other/model"
    assert settings.api_key.get_secret_value() == "another key"


def test_without_options_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_MODEL", "one")

    set_for_this_process()

    assert read_settings().model == "one"


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(UsageError, match="the variable NO_SUCH_KEY, which --api-key-env names, is not set"):
        set_for_this_process(api_key_env="NO_SUCH_KEY")

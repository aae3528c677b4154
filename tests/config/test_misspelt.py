from __future__ import annotations

import pytest

from pagemill.config.misspelt import misspelt_variables


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("PAGEMILL_WAKE_SECOND", "PAGEMILL_WAKE_SECONDS"),
        ("PAGEMILL_APIKEY", "PAGEMILL_API_KEY"),
        ("PAGEMILL_SERVICE_MAX_INSTANCE", "PAGEMILL_SERVICE_MAX_INSTANCES"),
        ("PAGEMILL_POOL_NIGHTLY_SORCE", "PAGEMILL_POOL_NIGHTLY_SOURCE"),
        ("PAGEMIL_MODEL", "PAGEMILL_MODEL"),
        ("LIGHTONOCR_SERVCE_URL", "LIGHTONOCR_SERVICE_URL"),
        ("pagemill_max_token", "PAGEMILL_MAX_TOKENS"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_nearest_right_name_and_without_its_value(
    variable: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "secret")

    (said,) = misspelt_variables()

    assert said == f"{variable} is no setting of pagemill and has no effect; did you mean {nearest}?"


def test_a_variable_that_resembles_no_setting_is_named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_COLOUR_OF_THE_SKY", "blue")

    assert misspelt_variables() == ["PAGEMILL_COLOUR_OF_THE_SKY is no setting of pagemill and has no effect"]


@pytest.mark.parametrize(
    "variable", ["PAGEMILL_API_KEY", "pagemill_model", "PAGEMILL_VISION", "PAGEMILL_SERVICE_CPU", "PREFECT_API_URL"]
)
def test_a_setting_is_not_misspelt(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "x")

    assert misspelt_variables() == []

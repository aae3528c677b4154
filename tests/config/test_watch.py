from __future__ import annotations

import pytest

from pagemill.config.watch import read_watch_settings
from pagemill.errors import UsageError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that watches something."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv("PAGEMILL_WATCH_SUBSCRIPTION", "uploads")
    monkeypatch.setenv("PAGEMILL_WATCH_DESTINATION", "gs://text")


def test_a_subscription_is_named_by_its_id_or_whole() -> None:
    assert read_watch_settings().subscription_name == "projects/my-project/subscriptions/uploads"
    whole = "projects/other-project/subscriptions/scans"
    assert read_watch_settings(subscription=whole).subscription_name == whole


def test_an_option_replaces_what_the_environment_says() -> None:
    settings = read_watch_settings(subscription="scans", destination="/srv/text")

    assert (settings.subscription, settings.destination) == ("scans", "/srv/text")
    assert read_watch_settings(subscription="").subscription == "uploads"


def test_a_subscription_without_a_project_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")

    with pytest.raises(UsageError, match="export GOOGLE_CLOUD_PROJECT=PROJECT"):
        assert read_watch_settings().subscription_name


def test_nothing_to_watch_names_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAGEMILL_WATCH_DESTINATION")

    with pytest.raises(UsageError, match="PAGEMILL_WATCH_SUBSCRIPTION and PAGEMILL_WATCH_DESTINATION"):
        read_watch_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAGEMILL_WATCH_SUBSCRIPTION", "projects/p/topics/uploads"),
        ("PAGEMILL_WATCH_DESTINATION", "relative"),
        ("PAGEMILL_WATCH_DOCUMENTS", "0"),
        ("PAGEMILL_WATCH_SECONDS", "nan"),
        ("PAGEMILL_WATCH_DEPLOYMENT", "on-upload"),
        ("PUBSUB_EMULATOR_HOST", "pubsub.example.com:8085"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(UsageError, match=f"{variable}='{value}'"):
        read_watch_settings()

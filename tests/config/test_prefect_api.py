"""What is found out without Prefect is what Prefect itself says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagemill.config.prefect_api import configured_api

_URL = "http://127.0.0.1:4200/api"
_PROFILES = f"""
active = "work"

[profiles.work]
PREFECT_API_URL = "{_URL}"

[profiles.empty]

[profiles.nowhere]
PREFECT_API_URL = ""
"""

Files = dict[str, str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "files", "named"),
    [
        ({}, {}, False),
        ({"PREFECT_API_URL": _URL}, {}, True),
        ({"prefect_api_url": _URL}, {}, True),
        ({"PREFECT_API_URL": ""}, {"home/profiles.toml": _PROFILES}, False),
        ({}, {"home/profiles.toml": _PROFILES}, True),
        ({}, {"home/profiles.toml": _PROFILES.replace('"work"', '"empty"')}, False),
        ({}, {"home/profiles.toml": _PROFILES.replace('"work"', '"none of them"')}, False),
        ({}, {"home/profiles.toml": "[profiles]"}, False),
        ({"PREFECT_PROFILE": "empty"}, {"home/profiles.toml": _PROFILES}, False),
        ({"PREFECT_PROFILE": "nowhere"}, {"home/profiles.toml": _PROFILES}, False),
        ({"PREFECT_PROFILE": ""}, {"home/profiles.toml": _PROFILES}, True),
        ({"PREFECT_PROFILES_PATH": "mine.toml"}, {"mine.toml": _PROFILES}, True),
        ({}, {".env": "PREFECT_PROFILES_PATH=mine.toml", "mine.toml": _PROFILES}, True),
        ({}, {"prefect.toml": 'profiles_path = "mine.toml"', "mine.toml": _PROFILES}, True),
        ({}, {".env": f"export PREFECT_API_URL='{_URL}'  # ours"}, True),
        ({}, {".env": f"# PREFECT_API_URL={_URL}"}, False),
        ({}, {".env": "PREFECT_API_URL=", "prefect.toml": f'[api]\nurl = "{_URL}"'}, False),
        ({}, {"prefect.toml": f'[api]\nurl = "{_URL}"'}, True),
        ({}, {"prefect.toml": '[api]\nkey = "x"'}, False),
        ({}, {"pyproject.toml": f'[tool.prefect.api]\nurl = "{_URL}"'}, True),
        ({}, {"pyproject.toml": f'[tool.other.api]\nurl = "{_URL}"'}, False),
        ({"PREFECT_API_URL": ""}, {"pyproject.toml": f'[tool.prefect.api]\nurl = "{_URL}"'}, False),
    ],
)
def test_a_server_is_found_where_prefect_finds_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], files: Files, *, named: bool
) -> None:
    from prefect.settings import Settings  # noqa: PLC0415 -- takes seconds, and it reads variables when it is imported

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name, text in files.items():
        (folder / name).write_text(text)

    found, known = configured_api(), Settings().api.url
    assert bool(known) is named
    assert (found.url if found else "") == (known or "")


@pytest.mark.parametrize(
    ("variables", "files"),
    [
        ({}, {"home/profiles.toml": "not TOML"}),
        ({}, {"prefect.toml": "not TOML"}),
        ({"PREFECT_PROFILE": "local"}, {}),
        ({"PREFECT_PROFILE": "misspelt"}, {"home/profiles.toml": _PROFILES}),
    ],
)
def test_what_only_prefect_can_tell_is_asked_of_prefect(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], files: Files
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name, text in files.items():
        (folder / name).write_text(text)

    found = configured_api()
    assert found
    assert not found.url

"""Whether Prefect's settings name a server, found out without importing Prefect, which takes seconds.

Prefect takes the first of these that has a value: the variable PREFECT_API_URL, the same name in the file .env,
`api.url` in prefect.toml, `tool.prefect.api.url` in pyproject.toml, the active profile. All files but that of the
profiles are those of the current folder.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NO_SERVER = (
    "no Prefect server is configured; start one with `make server` or `prefect server start`, then type: "
    "export PREFECT_API_URL=http://127.0.0.1:4200/api"
)

_VARIABLE = "PREFECT_API_URL"
_PROFILES = "profiles.toml"


@dataclass(frozen=True, slots=True)
class ConfiguredApi:
    """A Prefect server that Prefect's settings name."""

    url: str  # empty if only Prefect can tell
    whence: str  # where the URL comes from


def configured_api() -> ConfiguredApi | None:
    """The configured Prefect server; None if there is none.

    Where only Prefect itself can tell, because a file cannot be read or a profile is not in it, there may be one:
    Prefect then says what is wrong, or which server it is.
    """
    try:
        found = next((source for source in _sources() if source[0] is not None), None)
    except (OSError, ValueError):  # TOML and UTF-8 that cannot be decoded are ValueErrors
        return ConfiguredApi("", "Prefect's settings")
    return ConfiguredApi(str(found[0]), found[1]) if found and found[0] else None


def _sources() -> Iterator[tuple[Any, str]]:
    """What each source says, the strongest one first, and what it is called; None: it says nothing."""
    yield _of_environment(_VARIABLE), f"the variable {_VARIABLE}"
    yield _of_dotenv(_VARIABLE), "the file .env"
    yield _entry(_toml(Path("prefect.toml")), "api", "url"), "the file prefect.toml"
    yield _entry(_toml(Path("pyproject.toml")), "tool", "prefect", "api", "url"), "the file pyproject.toml"
    yield _of_profile(), f"Prefect's active profile in {_profiles_path()}"


def _of_environment(variable: str) -> str | None:
    """The value of a variable. Prefect does not care about capitals."""
    return next((value for name, value in os.environ.items() if name.upper() == variable), None)


def _of_dotenv(variable: str) -> str | None:
    if not Path(".env").is_file():
        return None
    from dotenv import dotenv_values  # noqa: PLC0415 -- such a file is rare

    values = dotenv_values(".env", encoding="utf-8")
    return next((value for name, value in values.items() if name.upper() == variable), None)


def _of_profile() -> Any:
    """The URL in the active profile.

    Raises:
        ValueError: Only Prefect can tell which profile that is.
    """
    path, asked = _profiles_path(), os.environ.get("PREFECT_PROFILE")
    data = _toml(path)
    name = asked or data.get("active")
    profile = _entry(data, "profiles", name) if isinstance(name, str) else None
    if profile is None:
        if asked:
            raise ValueError("the profile is one of Prefect's own, or there is none of that name")
        return None  # Prefect then takes its profile `ephemeral`, which names no server
    return profile.get(_VARIABLE) if isinstance(profile, dict) else None


def _profiles_path() -> Path:
    named = (
        os.environ.get("PREFECT_PROFILES_PATH")
        or _of_dotenv("PREFECT_PROFILES_PATH")
        or _entry(_toml(Path("prefect.toml")), "profiles_path")
        or _entry(_toml(Path("pyproject.toml")), "tool", "prefect", "profiles_path")
    )
    if named:
        return Path(named)
    home = os.environ.get("PREFECT_HOME")
    return (Path(home) if home else Path.home() / ".prefect") / _PROFILES


def _toml(path: Path) -> dict[str, Any]:
    """The content of a file; empty if there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _entry(data: Any, *path: str) -> Any:
    """An entry by the names that lead to it; None if there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data

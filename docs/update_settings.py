"""Writes the tables of settings into the documentation: `python docs/update_settings.py`. A test says when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from pagemill.config.emulators import EmulatorSettings
from pagemill.config.pool import PoolSettings
from pagemill.config.run import Settings
from pagemill.config.service import ServiceSettings
from pagemill.config.watch import WatchSettings

ROOT = Path(__file__).parents[1]
PAGES: Mapping[Path, type[BaseSettings]] = MappingProxyType(
    {
        ROOT / "README.md": Settings,
        ROOT / "docs" / "deploying.md": ServiceSettings,
        ROOT / "deployments" / "README.md": PoolSettings,
        ROOT / "docs" / "uploads.md": WatchSettings,
    }
)
_TABLE = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)


def with_settings(page: str, settings: type[BaseSettings]) -> str:
    """A page with the table that a class of settings stands for."""
    prefix = settings.model_config["env_prefix"]
    fields = sorted(settings.model_fields.items(), key=lambda named: named[0] in EmulatorSettings.model_fields)
    rows = [_row(f"{prefix}{name.upper()}", field) for name, field in fields]  # those for tests come last
    table = "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])
    return _TABLE.sub(lambda _: f"{table}\n", page)


def _row(variable: str, field: FieldInfo) -> str:
    return f"| `{field.validation_alias or variable}` | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    if field.default_factory:
        return "one a core, at most 8"
    value = field.get_default()
    shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    if isinstance(shown, float):
        return f"`{shown:g}`"
    return f"`{shown}`" if shown not in ("", None, ()) else ""


if __name__ == "__main__":
    for path, kind in PAGES.items():
        path.write_text(with_settings(path.read_text(), kind))

"""Writes the table of settings into README.md: `python docs/update_readme.py`. A test says when that is due."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic.fields import FieldInfo

from pagemill.settings import Settings

README = Path(__file__).parents[1] / "README.md"
_TABLE = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)


def with_settings(readme: str) -> str:
    """The README with the table that `settings.py` stands for."""
    rows = [_row(name, field) for name, field in Settings.model_fields.items()]
    table = "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])
    return _TABLE.sub(lambda _: f"{table}\n", readme)


def _row(name: str, field: FieldInfo) -> str:
    variable = field.validation_alias or f"{Settings.model_config['env_prefix']}{name.upper()}"
    return f"| `{variable}` | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    if field.default_factory:
        return "one a core, at most 8"
    value = field.get_default()
    shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    if isinstance(shown, float):
        return f"`{shown:g}`"
    return f"`{shown}`" if shown not in ("", None) else ""


if __name__ == "__main__":
    README.write_text(with_settings(README.read_text()))

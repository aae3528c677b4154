"""Variables that look like settings of pagemill and are none: mostly a misspelt name, which would have no effect."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

from pydantic_settings import BaseSettings

from pagemill.config.pool import PoolSettings
from pagemill.config.run import Settings
from pagemill.config.service import ServiceSettings
from pagemill.config.watch import WatchSettings

_PREFIXES = ("PAGEMILL", "PAGE_MILL", "PAGEMIL_", "LIGHTONOCR")
_READ_ELSEWHERE = {"PAGEMILL_VISION"}  # by the plugin in the GPU image
_ALIKE = 0.8  # of 1; below that, a suggestion would be a guess


def misspelt_variables() -> list[str]:
    """A sentence for each such variable, with the nearest setting's name. Values are not repeated."""
    kinds: list[type[BaseSettings]] = [Settings, PoolSettings, ServiceSettings, WatchSettings]
    known = _READ_ELSEWHERE.union(*map(_names, kinds))
    unknown = sorted(name for name in os.environ if name.upper().startswith(_PREFIXES) and name.upper() not in known)
    return [f"{name} is no setting of pagemill and has no effect{_suggestion(name, known)}" for name in unknown]


def _suggestion(name: str, known: set[str]) -> str:
    nearest = difflib.get_close_matches(name.upper(), known, n=1, cutoff=_ALIKE)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _names(settings: type[BaseSettings]) -> Iterator[str]:
    """The variables that a class of settings is read from. Neither pydantic nor we care about capitals."""
    for name, field in settings.model_fields.items():
        yield str(field.validation_alias or f"{settings.model_config['env_prefix']}{name}").upper()

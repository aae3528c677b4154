"""Prefect's settings: it reads them when it is imported, from variables, profiles and files."""

from __future__ import annotations

import logging

from pydantic import ValidationError

from pagemill.config.environment import set_prefect_defaults
from pagemill.config.invalid import problem_of
from pagemill.config.proxies import check_proxies
from pagemill.domain.wording import said
from pagemill.errors import UsageError


def load_prefect() -> None:
    """Import Prefect, quiet unless a variable says otherwise.

    Raises:
        UsageError: Prefect does not accept its settings, or a proxy cannot be used.
    """
    check_proxies()
    set_prefect_defaults()
    logging.raiseExceptions = False  # else Prefect prints for each batch of log lines that a server does not take
    try:
        from prefect import flow  # noqa: F401, PLC0415 -- takes a second
    except ModuleNotFoundError:
        raise
    except Exception as error:  # a wrong value, a profile that is no TOML, a file that may not be read
        raise UsageError(
            f"Prefect does not accept its settings: {_reason(error)}; look into its PREFECT_ variables, and into "
            "profiles.toml in the folder PREFECT_HOME, by default ~/.prefect"
        ) from error


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return said(error)
    place = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
    return f"{place} {problem_of(error)}".lstrip()

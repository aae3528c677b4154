"""The service of a smoke test: the deployment's own settings, with a small container without a GPU."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pagemill.config.run import read
from pagemill.config.service import LONGEST_NAME, ServiceSettings, read_service_settings
from pagemill.errors import UsageError

SUFFIX = "-smoke"  # of the service's name
# The embedded OCR service has two workers, each of which takes up to 0.9 GiB, and reads a page in 3 to 12 s.
_FIXED = {
    "cpu": 2,
    "memory_gib": 4,
    "accelerator": "",
    "zonal_redundancy": False,
    "min_instances": 0,
    "max_instances": 1,
    "concurrency": 8,
    "max_num_seqs": 2,
    "startup_period_seconds": 5,
    "startup_failures": 60,
    "startup_timeout_seconds": 5,
    "canary_in_flight": 2,
    "environment": (),  # it is vLLM's
}


class SmokeSettings(ServiceSettings):
    """The service of a smoke test as it should be: project, accounts, repositories and time limits are the others'."""

    cpu: int = Field(2, ge=1, le=2)
    memory_gib: int = Field(4, ge=1, le=8)
    accelerator: Literal["nvidia-l4", ""] = ""  # type: ignore[assignment] # wider than that of a GPU service


def read_smoke_settings(**overrides: object) -> SmokeSettings:
    """Read the environment. The size of the service is fixed; where it is and what it is called come from there.

    Args:
        overrides: Values by field name that replace those of the environment; None: keep the environment's.

    Raises:
        UsageError: Variables have invalid values, no project is set, or the name is too long.
    """
    name = f"{read_service_settings(**overrides).name}{SUFFIX}"
    if len(name) > LONGEST_NAME:
        raise UsageError(
            f"the name {name} of the smoke test's service has {len(name)} characters, at most {LONGEST_NAME} are "
            f"possible; set a PAGEMILL_SERVICE_NAME of at most {LONGEST_NAME - len(SUFFIX)}"
        )
    return read(SmokeSettings, **{**overrides, **_FIXED, "name": name})

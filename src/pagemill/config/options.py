"""Settings that options of a command replace, for this process and those that it starts."""

from __future__ import annotations

import os

from pagemill.errors import UsageError


def set_for_this_process(*, model: str = "", api_key_env: str = "") -> None:
    """Replace settings of the environment by options.

    Args:
        model: For PAGEMILL_MODEL; empty: leave it.
        api_key_env: The variable whose value is for PAGEMILL_API_KEY; empty: leave it. A key itself is no option: every
            process of the machine can read the arguments of the others.

    Raises:
        UsageError: There is no such variable.
    """
    if model:
        os.environ["PAGEMILL_MODEL"] = model
    if api_key_env:
        key = os.environ.get(api_key_env)
        if not key:
            raise UsageError(
                f"the variable {api_key_env}, which --api-key-env names, is not set; type: export {api_key_env}=…"
            )
        os.environ["PAGEMILL_API_KEY"] = key

"""A vLLM plugin for LightOnOCR: encodes all pages of a step in one call; the server listens only after a warm-up.

vLLM up to 0.23 puts the patches of all images of a step into one sequence and separates them with a dense mask, whose
size and time grow with the square of the number of patches. The plugin replaces the mask by attention with boundaries,
as later versions have it. It also sends pages to the GPU as bytes, computes the decoder's norms and rotation in one
kernel instead of four, and prepares a step on the GPU if it continues the same pages as the previous step.

vLLM calls `register` in each of its processes. Importing this module must not fail: vLLM only logs import errors.
"""

from __future__ import annotations

import logging
import os

SWITCH = "PAGEMILL_VISION"  # 0: off

_log = logging.getLogger("vllm.pagemill_vision")


def register() -> None:
    """Install the replacements, unless they are switched off or this vLLM does not need them.

    Raises:
        RuntimeError: They were not written for this vLLM, and it still has the mask. The server then does not start,
            because it would be slow or wrong.
    """
    if os.environ.get(SWITCH, "1") == "0":
        _log.warning("pagemill-vision is switched off: %s=0", SWITCH)
        return
    from pagemill_vision import installation, warmup  # noqa: PLC0415 -- imports models, which takes seconds

    _log.info("pagemill-vision: %s", installation.install())
    warmup.install()

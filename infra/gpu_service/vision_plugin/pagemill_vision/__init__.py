"""A vLLM plugin for LightOnOCR: one call reads all pages of a step, each by itself; the server listens once it is warm.

vLLM up to 0.23 puts the patches of all images of a step into one sequence and keeps them apart with a dense mask, whose
size and time grow with the square of the images. This replaces it by attention with boundaries, which later versions
have. Beside it: pages reach the GPU as bytes, the decoder's attention takes one kernel where it took four, and a step
that writes on the same pages as the one before is prepared on the GPU.

vLLM calls `register` in every one of its processes. It has to be easy to import: vLLM only logs what goes wrong there.
"""

from __future__ import annotations

import logging
import os

SWITCH = "PAGEMILL_VISION"  # 0: off

_log = logging.getLogger("vllm.pagemill_vision")


def register() -> None:
    """Put the replacements in, unless they are switched off or this vLLM does not need them.

    Raises:
        RuntimeError: This vLLM is not the one that they were written for, and still has the mask. The server then does
            not start, rather than be slow or wrong.
    """
    if os.environ.get(SWITCH, "1") == "0":
        _log.warning("pagemill-vision is switched off: %s=0", SWITCH)
        return
    from pagemill_vision import installation, warmup  # noqa: PLC0415 -- imports models, which takes seconds

    _log.info("pagemill-vision: %s", installation.install())
    warmup.install()

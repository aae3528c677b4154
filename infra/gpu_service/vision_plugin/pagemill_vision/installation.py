"""Whether this vLLM is the one that the replacement was written for; then, in it."""

from __future__ import annotations

import hashlib
import inspect
from importlib import import_module
from typing import Any

from pagemill_vision import packed

PIXTRAL = "vllm.model_executor.models.pixtral"
MODEL, MODEL_CLASS = "vllm.model_executor.models.lightonocr", "LightOnOCRForConditionalGeneration"
VERSION = "0.22.1"
# SHA-256 over the source of the classes below in vLLM 0.22.1: `python -m pagemill_vision.installation` prints it.
SOURCE = "e35c8f6319b12422c287efe82ac857c6791110f1d9d0730d5cdefd07b6e33c35"
_CLASSES = ("PixtralHFAttention", "PixtralHFTransformerBlock", "PixtralHFTransformer", "PixtralHFVisionModel")
_FIXED = "MMEncoderAttention"  # what versions with boundaries call it


def install() -> str:
    """Put the replacement in, once; tell what was done.

    Raises:
        RuntimeError: It does not fit.
    """
    vllm, pixtral = import_module("vllm"), import_module(PIXTRAL)
    attention = pixtral.PixtralHFAttention
    if getattr(attention, "packed_by_pagemill", False):
        return "installed before"
    if _FIXED in inspect.getsource(attention):
        return f"vLLM {vllm.__version__} has its own"
    found = digest(pixtral)
    version = vllm.__version__.partition("+")[0]
    if version != VERSION or found != SOURCE:
        raise RuntimeError(
            f"pagemill-vision replaces the vision attention of vLLM {VERSION} (source {SOURCE[:12]}), and this is vLLM "
            f"{vllm.__version__} (source {found[:12]}); build the image with vllm/vllm-openai:v{VERSION}-cu129, or set "
            "PAGEMILL_VISION=0 to run without: slower, and with more memory for each page that is read at once"
        )
    pixtral.PixtralHFAttention.__init__ = packed.initialized(attention.__init__)
    pixtral.PixtralHFAttention.forward = packed.attention_forward(pixtral)
    pixtral.PixtralHFVisionModel.forward = packed.tower_forward(pixtral)
    attention.packed_by_pagemill = True
    # Registered as a class, vLLM need not start a process of its own to look at it, which takes as long as a start.
    model: Any = getattr(import_module(MODEL), MODEL_CLASS)
    vllm.ModelRegistry.register_model(MODEL_CLASS, model)
    return f"installed into vLLM {vllm.__version__}"


def digest(pixtral: Any) -> str:
    """SHA-256 over the source that is replaced, and over what passes its arguments on."""
    source = "".join(inspect.getsource(getattr(pixtral, name)) for name in _CLASSES)
    return hashlib.sha256(source.encode()).hexdigest()


if __name__ == "__main__":
    print(digest(import_module(PIXTRAL)))  # noqa: T201 -- it is what this is for

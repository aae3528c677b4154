"""Whether this vLLM is the one that the replacements were written for; then, into it."""

from __future__ import annotations

import hashlib
import inspect
from importlib import import_module
from typing import Any

from pagemill_vision import decoder, packed, pixels

VERSION = "0.22.1"
# SHA-256 over the source of the classes below in vLLM 0.22.1: `python -m pagemill_vision.installation` prints it.
SOURCE = "3c132f2d91b4644c53dcff7594eef6f12a217bead348c714c81e8f0ae2d3eb78"
_MODELS = "vllm.model_executor.models"
_MODEL = "LightOnOCRForConditionalGeneration"
_CLASSES = {  # by module: what is replaced, and what passes its arguments on
    "pixtral": ("PixtralHFAttention", "PixtralHFTransformerBlock", "PixtralHFTransformer", "PixtralHFVisionModel"),
    "qwen3": ("Qwen3Attention",),
    "lightonocr": ("LightOnOCRMultiModalProcessor", _MODEL),
}
_FIXED = "MMEncoderAttention"  # what versions with boundaries call it


def install() -> str:
    """Put the replacements in, once; tell what was done.

    Raises:
        RuntimeError: They do not fit.
    """
    vllm, models = import_module("vllm"), {name: import_module(f"{_MODELS}.{name}") for name in _CLASSES}
    attention: Any = models["pixtral"].PixtralHFAttention
    if getattr(attention, "packed_by_pagemill", False):
        return "installed before"
    if _FIXED in inspect.getsource(attention):
        return f"vLLM {vllm.__version__} has its own"
    found = digest(models)
    if vllm.__version__.partition("+")[0] != VERSION or found != SOURCE:
        raise RuntimeError(
            f"pagemill-vision replaces the vision attention of vLLM {VERSION} (source {SOURCE[:12]}), and this is vLLM "
            f"{vllm.__version__} (source {found[:12]}); build the image with vllm/vllm-openai:v{VERSION}-cu129, or set "
            "PAGEMILL_VISION=0 to run without: slower, and with more memory for each page that is read at once"
        )
    _replace(models)
    attention.packed_by_pagemill = True
    # Registered as a class, vLLM need not start a process of its own to look at it, which takes as long as a start.
    vllm.ModelRegistry.register_model(_MODEL, getattr(models["lightonocr"], _MODEL))
    return f"installed into vLLM {vllm.__version__}"


def _replace(models: dict[str, Any]) -> None:
    pixtral = models["pixtral"]
    attention, tower = pixtral.PixtralHFAttention, pixtral.PixtralHFVisionModel
    attention.__init__ = packed.attention_init(attention.__init__)
    attention.forward = packed.attention_forward()
    tower.__init__ = packed.tower_init(tower.__init__, pixtral.torch)
    tower.forward = packed.tower_forward(pixtral)
    models["qwen3"].Qwen3Attention.forward = decoder.attention_forward()
    processor = models["lightonocr"].LightOnOCRMultiModalProcessor
    processor._call_hf_processor = pixels.processor_call(processor._call_hf_processor)  # noqa: SLF001 -- vLLM's own hook


def digest(models: dict[str, Any]) -> str:
    """SHA-256 over the source of the classes, by the names of their modules."""
    sources = (inspect.getsource(getattr(models[name], cls)) for name, classes in _CLASSES.items() for cls in classes)
    return hashlib.sha256("".join(sources).encode()).hexdigest()


if __name__ == "__main__":
    print(digest({name: import_module(f"{_MODELS}.{name}") for name in _CLASSES}))  # noqa: T201 -- it is what this is for

"""Checks that the replacements were written for this vLLM, and installs them."""

from __future__ import annotations

import hashlib
import inspect
from importlib import import_module
from typing import Any

from pagemill_vision import decoder, packed, pixels, steady

VERSION = "0.22.1"
# SHA-256 over the source of the classes below in vLLM 0.22.1: `python -m pagemill_vision.installation` prints it.
SOURCE = "1f56ade1619aca429e30df1ab17b7943a3f35ff51a7af18a4a6580d4f5ee8823"
_PIXTRAL, _QWEN3, _LIGHTONOCR = (f"vllm.model_executor.models.{name}" for name in ("pixtral", "qwen3", "lightonocr"))
_RUNNER, _TABLES = "vllm.v1.worker.gpu_model_runner", "vllm.v1.worker.block_table"
_MODEL = "LightOnOCRForConditionalGeneration"
_CLASSES = {  # by module: the classes that are replaced, and those that the replacements rely on
    _PIXTRAL: ("PixtralHFAttention", "PixtralHFTransformerBlock", "PixtralHFTransformer", "PixtralHFVisionModel"),
    _QWEN3: ("Qwen3Attention",),
    _LIGHTONOCR: ("LightOnOCRMultiModalProcessor", _MODEL),
    _RUNNER: ("GPUModelRunner",),
    _TABLES: ("BlockTable", "MultiGroupBlockTable"),
}
_FIXED = "MMEncoderAttention"  # the name in versions whose attention has boundaries


def install() -> str:
    """Install the replacements, once; return a message that says what was done.

    Raises:
        RuntimeError: They do not fit this vLLM.
    """
    vllm, modules = import_module("vllm"), {name: import_module(name) for name in _CLASSES}
    attention: Any = modules[_PIXTRAL].PixtralHFAttention
    if getattr(attention, "packed_by_pagemill", False):
        return "installed before"
    if _FIXED in inspect.getsource(attention):
        return f"vLLM {vllm.__version__} has its own"
    found = digest(modules)
    if vllm.__version__.partition("+")[0] != VERSION or found != SOURCE:
        raise RuntimeError(
            f"pagemill-vision replaces the vision attention of vLLM {VERSION} (source {SOURCE[:12]}), and this is vLLM "
            f"{vllm.__version__} (source {found[:12]}); build the image with vllm/vllm-openai:v{VERSION}-cu129, or set "
            "PAGEMILL_VISION=0 to run without the plugin, slower and with more memory for each page in flight"
        )
    _replace(modules)
    attention.packed_by_pagemill = True
    # vLLM starts an extra process to inspect a model that is registered by name, which takes as long as a start.
    vllm.ModelRegistry.register_model(_MODEL, getattr(modules[_LIGHTONOCR], _MODEL))
    return f"installed into vLLM {vllm.__version__}"


def _replace(modules: dict[str, Any]) -> None:
    pixtral, runner = modules[_PIXTRAL], modules[_RUNNER].GPUModelRunner
    attention, tower = pixtral.PixtralHFAttention, pixtral.PixtralHFVisionModel
    attention.__init__ = packed.attention_init(attention.__init__)
    attention.forward = packed.attention_forward()
    tower.__init__ = packed.tower_init(tower.__init__, pixtral.torch)
    tower.forward = packed.tower_forward(pixtral)
    modules[_QWEN3].Qwen3Attention.forward = decoder.attention_forward()
    processor = modules[_LIGHTONOCR].LightOnOCRMultiModalProcessor
    processor._call_hf_processor = pixels.processor_call(processor._call_hf_processor)  # noqa: SLF001 -- vLLM's own hook
    runner._prepare_inputs = steady.input_preparation(runner._prepare_inputs)  # noqa: SLF001 -- it has no other


def digest(modules: dict[str, Any]) -> str:
    """SHA-256 over the source of the classes, by the names of their modules."""
    sources = (inspect.getsource(getattr(modules[name], cls)) for name, classes in _CLASSES.items() for cls in classes)
    return hashlib.sha256("".join(sources).encode()).hexdigest()


if __name__ == "__main__":
    print(digest({name: import_module(name) for name in _CLASSES}))  # noqa: T201 -- prints the digest for `SOURCE`

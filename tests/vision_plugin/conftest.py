from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import torch

os.environ.update(VLLM_NO_USAGE_STATS="1", HF_HUB_OFFLINE="1", DO_NOT_TRACK="1", VLLM_LOGGING_LEVEL="WARNING")


def _torchvision_without_its_compiled_part() -> None:
    """Declare what it would: beside a torch for CPUs it does not load, and resizing pages needs none of it."""
    register_fake = torch.library.register_fake

    def registered(op: Any, *args: Any, **kwargs: Any) -> Any:
        return (lambda function: function) if str(op).startswith("torchvision") else register_fake(op, *args, **kwargs)

    torch.library.register_fake = registered


_torchvision_without_its_compiled_part()

import vllm.distributed  # noqa: E402 -- after what it needs
from vllm.config import CompilationConfig, DeviceConfig, ModelConfig, VllmConfig, set_current_vllm_config  # noqa: E402
from vllm.model_executor.models import lightonocr, pixtral, qwen3  # noqa: E402
from vllm.v1.worker import gpu_model_runner  # noqa: E402

REPLACED = [
    (pixtral.PixtralHFAttention, "__init__"),
    (pixtral.PixtralHFAttention, "forward"),
    (pixtral.PixtralHFVisionModel, "__init__"),
    (pixtral.PixtralHFVisionModel, "forward"),
    (qwen3.Qwen3Attention, "forward"),
    (lightonocr.LightOnOCRMultiModalProcessor, "_call_hf_processor"),
    (gpu_model_runner.GPUModelRunner, "_prepare_inputs"),
]
STOCK = {(cls, name): getattr(cls, name) for cls, name in REPLACED}


@pytest.fixture
def stock() -> dict[tuple[Any, str], Any]:
    """VLLM's own methods, by class and name."""
    return STOCK


@pytest.fixture(autouse=True)
def _stock_again() -> Iterator[None]:
    """Whatever a test replaces is put back."""
    yield
    for (cls, name), method in STOCK.items():
        setattr(cls, name, method)
    if hasattr(pixtral.PixtralHFAttention, "packed_by_pagemill"):
        del pixtral.PixtralHFAttention.packed_by_pagemill


@pytest.fixture(scope="session")
def model_config(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Of a folder with the real architecture, and a tokenizer of the real size."""
    from vllm import ModelRegistry  # noqa: PLC0415

    from benchmarks.gpu_service import model_folder  # noqa: PLC0415 -- of the project, not of vLLM's environment

    folder = tmp_path_factory.mktemp("model")
    model_folder.write(folder)
    # As a class, vLLM need not start a process to look at it.
    ModelRegistry.register_model("LightOnOCRForConditionalGeneration", lightonocr.LightOnOCRForConditionalGeneration)
    return ModelConfig(
        model=str(folder),
        max_model_len=8192,
        dtype="bfloat16",
        limit_mm_per_prompt={"image": 1},
        mm_processor_cache_gb=0,
    )


@pytest.fixture
def vllm_config(model_config: Any) -> Iterator[Any]:
    """As vLLM has it while it makes the model, on a CPU; one process talks to itself."""
    config = VllmConfig(
        model_config=model_config,
        device_config=DeviceConfig(device="cpu"),
        compilation_config=CompilationConfig(mode=0, custom_ops=["none"]),
    )
    with set_current_vllm_config(config), torch.inference_mode():
        if not torch.distributed.is_initialized():
            meeting = tempfile.NamedTemporaryFile()  # noqa: SIM115 -- as long as the process
            vllm.distributed.init_distributed_environment(1, 0, f"file://{meeting.name}", 0, backend="gloo")
            vllm.distributed.initialize_model_parallel(1)
        yield config

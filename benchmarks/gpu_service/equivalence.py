"""Checks that the vision tower gives the same features with and without the plugin, with the same random weights.

`python3 -m benchmarks.gpu_service.equivalence MODEL_FOLDER`; needs vLLM, a GPU, and the plugin on the path.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from typing import Any

_SIZES = {  # height and width in pixels, multiples of a patch of 14
    "1 image": [(1540, 1190)],
    "2 images": [(1540, 1190), (700, 980)],
    "8 images": [
        (1540, 1190),
        (1190, 1540),
        (700, 980),
        (420, 420),
        (1540, 1078),
        (28, 1540),
        (980, 700),
        (1400, 1092),
    ],
}
_MOST_DIFFERENCE = 2e-2  # relative, over 24 layers in bf16; two roundings of one sum differ by 1e-2


def towers(folder: str) -> Any:
    """A function that reads images with the stock tower, and one that uses the plugin's attention."""
    torch, config = import_module("torch"), import_module("vllm.config")
    arguments = import_module("vllm.engine.arg_utils")
    pixtral, distributed = import_module("vllm.model_executor.models.pixtral"), import_module("vllm.distributed")
    stock = pixtral.PixtralHFAttention.forward, pixtral.PixtralHFVisionModel.forward
    import_module("pagemill_vision").register()
    ours = pixtral.PixtralHFAttention.forward, pixtral.PixtralHFVisionModel.forward
    if stock == ours:
        raise RuntimeError("the plugin changed nothing")
    without_compiler = {"mode": 0}  # as deployed: vLLM's own kernels, not those that torch.compile generates
    engine = arguments.EngineArgs(
        model=folder, load_format="dummy", max_model_len=8192, compilation_config=without_compiler
    ).create_engine_config()
    with config.set_current_vllm_config(engine), tempfile.NamedTemporaryFile() as meeting:
        distributed.init_distributed_environment(1, 0, f"file://{meeting.name}", 0)
        distributed.initialize_model_parallel(1)
        torch.set_default_dtype(torch.bfloat16)
        with torch.device("cuda"):
            tower = pixtral.PixtralHFVisionModel(engine.model_config.hf_config.vision_config)
        torch.manual_seed(0)
        for parameter in tower.parameters():
            parameter.data.normal_(1.0 if parameter.dim() == 1 else 0.0, 0.02)

        def read(images: list[Any], *, plugin: bool) -> list[Any]:
            methods = ours if plugin else stock
            pixtral.PixtralHFAttention.forward, pixtral.PixtralHFVisionModel.forward = methods
            with torch.inference_mode():
                return [features.float() for features in tower(images)]

        return torch, read, config.set_current_vllm_config(engine)


def main() -> int:
    """Print the table; return 1 if features differ by more than rounding."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    torch, read, context = towers(sys.argv[1])
    worst = 0.0
    with context:
        for name, sizes in _SIZES.items():
            images = [torch.randn(3, *size, device="cuda", dtype=torch.bfloat16) for size in sizes]
            stock, ours = read(images, plugin=False), read(images, plugin=True)
            alone = [read([image], plugin=True)[0] for image in images]
            others = [images[0], *(torch.randn_like(image) for image in images[1:])]
            same = torch.equal(read(others, plugin=True)[0], ours[0])
            differs = max(float((a - b).norm() / a.norm()) for a, b in zip(stock, ours, strict=True))
            depends = max(float((a - b).norm() / a.norm()) for a, b in zip(alone, ours, strict=True))
            worst = max(worst, differs, depends, 0.0 if same else 1.0)
            sys.stdout.write(
                f"{name}: stock to ours {differs:.2e}, alone to together {depends:.2e}, "
                f"the first one's with other neighbours {'the same' if same else 'others'}\n"
            )
    distributed = import_module("vllm.distributed")
    distributed.destroy_model_parallel()
    distributed.destroy_distributed_environment()
    return int(worst > _MOST_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())

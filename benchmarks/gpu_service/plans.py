"""Writes what `matrix.py` is to run: `python -m benchmarks.gpu_service.plans NAME MODEL_FOLDER > plan.json`.

The flags of our servers are those that the deploy flow gives Cloud Run, and their environment is the image's.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from pagemill.adapters.service_definition import vllm_args
from pagemill.service_settings import ServiceSettings

MODEL = "lightonai/LightOnOCR-2-1B"
DOCKERFILE = Path(__file__).parents[2] / "infra" / "gpu_service" / "Dockerfile"
_PLACE = {"--host", "--port"}  # where the benchmark decides
_ALWAYS = ("--load-format", "dummy")
# What the specification says, and otherwise vLLM's defaults; requests as ours.
_STOCK = ("--limit-mm-per-prompt", '{"image": 1}', "--mm-processor-cache-gb", "0", "--no-enable-prefix-caching")
_L4_GIB, _L4_SHARE = 24.0, 0.8
_BARE = {  # FlashInfer compiles when it is first asked, and these machines have no compiler for it
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}


def ours(label: str, folder: str, *loads: str, sequences: int = 8, **changes: Any) -> dict[str, Any]:
    """A server as it is deployed."""
    settings = ServiceSettings(project="any", max_num_seqs=sequences, concurrency=2 * sequences)
    arguments = list(vllm_args(settings, MODEL))
    for flag in _PLACE:
        at = arguments.index(flag)
        del arguments[at : at + 2]
    return _server(label, [folder, *arguments[1:]], image_environment(), loads, **changes)


def stock(label: str, folder: str, *loads: str, sequences: int = 8, **changes: Any) -> dict[str, Any]:
    """A server with vLLM's own defaults, without the plugin."""
    arguments = [folder, "--served-model-name", MODEL, "--max-model-len", "8192", "--gpu-memory-utilization", "0.8"]
    arguments += ["--max-num-seqs", str(sequences), *_STOCK]
    return _server(label, arguments, {"PAGEMILL_VISION": "0", "VLLM_PLUGINS": ""}, loads, **changes)


def _server(
    label: str,
    arguments: list[str],
    environment: dict[str, str],
    loads: tuple[str, ...],
    *,
    budget: int | None = None,
    memory: float | None = None,
    environment_too: dict[str, str] | None = None,
    texts: int = 0,
) -> dict[str, Any]:
    """One server of a plan.

    Args:
        label: Names it.
        arguments: Of `vllm serve`.
        environment: Of its process.
        loads: `PAGES:IN_FLIGHT:TOKENS` each.
        budget: `--max-num-batched-tokens`; None: vLLM's default, 8,192 on a large GPU and 2,048 on an L4.
        memory: Share of the GPU's memory, instead of 0.8.
        environment_too: More of the environment.
        texts: Pages in flight for the texts that servers are compared by; 0: none.
    """
    if memory is not None:
        arguments[arguments.index("--gpu-memory-utilization") + 1] = f"{memory:.4f}"
    if budget is not None:
        arguments = [*arguments, "--max-num-batched-tokens", str(budget)]
    return {
        "label": label,
        "arguments": [*arguments, *_ALWAYS],
        "environment": {**_BARE, **environment, **(environment_too or {})},
        "loads": list(loads),
        "texts": texts,
    }


def image_environment() -> dict[str, str]:
    """What the Dockerfile sets for vLLM and the plugin, but for folders."""
    found = re.findall(r"\b((?:VLLM|PAGEMILL)_\w+)=([^\s\\/]+)(?=\s|$)", DOCKERFILE.read_text())
    return dict(found)


def acceptance(folder: str, _gpu_gib: float) -> list[dict[str, Any]]:
    """Stock and ours, at eight and at twenty-four in flight."""
    return [
        stock("stock, 8 sequences", folder, "24:8:16", "48:8:700", texts=1),
        ours("ours, 8 sequences", folder, "24:8:16", "48:8:700", "8:1:700", "24:4:700", texts=1),
        stock("stock, 24 sequences", folder, "72:24:700", sequences=24),
        ours("ours, 24 sequences", folder, "72:24:700", sequences=24),
    ]


def l4(folder: str, gpu_gib: float) -> list[dict[str, Any]]:
    """What fits into the memory that vLLM may use of an L4, and the encoder's budget that an L4 has by default."""
    memory = _L4_GIB * _L4_SHARE / gpu_gib
    return [
        stock("stock, L4's memory and budget", folder, "24:8:16", "48:8:700", budget=2048, memory=memory),
        ours("ours, L4's memory and budget", folder, "24:8:16", "48:8:700", budget=2048, memory=memory),
        ours("ours, L4's memory, budget 16,384", folder, "24:8:16", "48:8:700", budget=16384, memory=memory),
        stock("stock, L4's memory, budget 24,576", folder, "24:24:16", sequences=24, budget=24576, memory=memory),
        ours("ours, L4's memory, budget 24,576", folder, "24:24:16", sequences=24, budget=24576, memory=memory),
    ]


def throughput(folder: str, _gpu_gib: float) -> list[dict[str, Any]]:
    """Twenty-four in flight, and vLLM's second model runner, which leaves more to the GPU."""
    second = {"VLLM_USE_V2_MODEL_RUNNER": "1"}
    return [
        stock("stock, 24 sequences", folder, "72:24:700", sequences=24),
        ours("ours, 24 sequences", folder, "72:24:700", sequences=24),
        ours("ours, 8 sequences, runner 2", folder, "24:8:16", "48:8:700", environment_too=second),
        ours("ours, 8 sequences", folder, "24:8:16", "48:8:700"),
        ours("ours, 24 sequences, runner 2", folder, "72:24:700", sequences=24, environment_too=second),
    ]


PLANS = {"acceptance": acceptance, "throughput": throughput, "l4": l4}


def main() -> int:
    """Print a plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("folder", help="of the model")
    parser.add_argument("--gpu-gib", type=float, default=139.8, help="memory of the GPU")
    options = parser.parse_args()
    sys.stdout.write(json.dumps(PLANS[options.name](options.folder, options.gpu_gib), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

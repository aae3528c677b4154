"""Writes the plans that `matrix.py` runs: `python -m benchmarks.gpu_service.plans NAME MODEL_FOLDER > plan.json`.

The flags of our servers are those that the deploy flow gives Cloud Run, and their environment is the image's.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu_service.load import MODEL, OPTIONS
from benchmarks.gpu_service.tower_memory import L4_BYTES
from pagemill.config.service import ServiceSettings
from pagemill.gcp.run_spec import vllm_args

DOCKERFILE = Path(__file__).parents[2] / "infra" / "gpu_service" / "Dockerfile"
_PLACE = {"--host", "--port"}  # the benchmark sets these
_SERVERS_OWN = ("VLLM_", "PAGEMILL_")  # of the image's environment; the rest is for any program
_DUMMY = ("--load-format", "dummy")
# The options of the specification, otherwise vLLM's defaults; the same requests as ours.
_STOCK = ("--limit-mm-per-prompt", '{"image": 1}', "--mm-processor-cache-gb", "0", "--no-enable-prefix-caching")
_L4_BUDGET = 2048  # vLLM's default budget for a GPU of less than 70 GB
_BARE = {
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}


def ours(label: str, folder: str, *loads: str, sequences: int = 8, **changes: Any) -> dict[str, Any]:
    """A server as it is deployed."""
    settings = ServiceSettings.model_construct(max_num_seqs=sequences)  # the defaults, without the environment
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
    arguments: Sequence[str],
    environment: Mapping[str, str],
    loads: Sequence[str],
    *,
    more: Sequence[str] = (),
    environment_too: Mapping[str, str] | None = None,
    texts: int = 0,
    weights: bool = False,
) -> dict[str, Any]:
    """One server of a plan.

    Args:
        label: Names it.
        arguments: Of `vllm serve`.
        environment: Of its process.
        loads: `PAGES:IN_FLIGHT:TOKENS` each.
        more: Arguments that come last, and so instead of the same ones before.
        environment_too: More of the environment.
        texts: Pages in flight for the texts that servers are compared by; 0: none.
        weights: Load the folder's weights instead of making some up.
    """
    return {
        "label": label,
        "arguments": [*arguments, *(() if weights else _DUMMY), *more],
        "environment": {**_BARE, **environment, **(environment_too or {})},
        "loads": list(loads),
        "texts": texts,
        "profile": "--profiler-config" in more,
    }


def image_environment() -> dict[str, str]:
    """What the Dockerfile sets for vLLM and the plugin, except folders, and what a build may set otherwise."""
    declared = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    found = dict(setting.split("=", 1) for block in declared for setting in block.replace("\\\n", " ").split())
    return {
        name: value
        for name, value in found.items()
        if name.startswith(_SERVERS_OWN) and "/" not in value and "$" not in value
    }


def acceptance(folder: str, _gpu_gib: float) -> list[dict[str, Any]]:
    """Stock and ours at eight in flight; the texts of both."""
    loads = "24:8:16", "48:8:700"
    return [
        stock("stock, 8 sequences", folder, *loads, texts=1),
        ours("ours, 8 sequences", folder, *loads, texts=1),
    ]


def table(folder: str, _gpu_gib: float) -> list[dict[str, Any]]:
    """Stock and ours with twenty-four sequences: as many in flight, and a round of each number in flight and length."""
    rounds = [f"{pages}:{pages}:{tokens}" for tokens in (16, 300, 700, 1500) for pages in (1, 4, 8, 16, 24)]
    return [
        stock("stock, 24 sequences", folder, "72:24:700", *rounds, sequences=24),
        ours("ours, 24 sequences", folder, "72:24:700", *rounds, sequences=24),
    ]


def l4(folder: str, gpu_gib: float) -> list[dict[str, Any]]:
    """Both within the memory that vLLM may use on an L4; stock with the default budget of an L4."""
    share = L4_BYTES / 2**30 / gpu_gib
    memory, loads = ("--gpu-memory-utilization", f"{share:.4f}"), ("24:8:16", "48:8:700")
    budget = ("--max-num-batched-tokens", str(_L4_BUDGET))
    return [
        stock("stock, an L4's memory and budget", folder, *loads, more=(*memory, *budget)),
        ours("ours, an L4's memory", folder, *loads, more=memory),
    ]


def start(folder: str, _gpu_gib: float) -> list[dict[str, Any]]:
    """A start with the folder's own weights."""
    return [ours("ours, weights from a file", folder, "24:8:16", "48:8:700", weights=True)]


def profile(folder: str, _gpu_gib: float) -> list[dict[str, Any]]:
    """Where the time goes: steps.py, and a trace of torch's profiler."""
    trace = {"profiler": "torch", "torch_profiler_dir": "trace", "torch_profiler_with_stack": False}
    more, measured = ("--profiler-config", json.dumps(trace)), {"STEPS": "steps.jsonl"}
    loads = "24:8:16", "48:8:700", "24:8:700:0", "16:4:700"
    return [ours("ours, measured", folder, *loads, more=more, environment_too=measured)]


def options(folder: str, _gpu_gib: float) -> list[dict[str, Any]]:
    """What a request costs that asks for more than a text: three rounds of every option, one after the other."""
    rounds = [f"40:8:700:0.2:{option}" for option in OPTIONS] * 3
    return [ours("ours, options", folder, *rounds)]


def sigterm(folder: str, _gpu_gib: float) -> list[dict[str, Any]]:
    """For `sigterm.py`: as deployed, and with time for pages in flight."""
    drain = ("--shutdown-timeout", "8")
    return [ours("ours, SIGTERM", folder), ours("ours, SIGTERM, --shutdown-timeout 8", folder, more=drain)]


PLANS = {
    "acceptance": acceptance,
    "table": table,
    "l4": l4,
    "start": start,
    "profile": profile,
    "options": options,
    "sigterm": sigterm,
}


def main() -> int:
    """Print a plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("folder", help="of the model")
    parser.add_argument("--gpu-gib", type=float, default=79.6, help="memory of the GPU")
    options = parser.parse_args()
    sys.stdout.write(json.dumps(PLANS[options.name](options.folder, options.gpu_gib), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

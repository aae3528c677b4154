"""Measures the vision tower's memory for several pages of the largest size at once, and whether it fits an L4.

`python3 -m benchmarks.gpu_service.tower_memory MODEL_FOLDER`; needs vLLM, a GPU, and the plugin on the path. Prints a
line of JSON for each number of pages, with and without the plugin.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from benchmarks.gpu_service.equivalence import towers

_LARGEST = (3, 1540, 1540)  # 110 x 110 patches, 3,025 tokens
L4_BYTES = 24e9 * 0.8  # vLLM's share with `--gpu-memory-utilization 0.8`
_PAGES = (1, 2, 4, 8, 16, 24)


def measure(torch: Any, read: Any, pages: int, *, plugin: bool) -> dict[str, Any]:
    """Read that many pages in one step, within the memory of an L4."""
    images = [torch.randn(*_LARGEST, device="cuda", dtype=torch.bfloat16) for _ in range(pages)]
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    found: dict[str, Any] = {"pages": pages, "plugin": plugin}
    began = time.perf_counter()
    try:
        read(images, plugin=plugin)
        torch.cuda.synchronize()
    except torch.cuda.OutOfMemoryError as error:
        return {**found, "fits": False, "error": str(error).split(". GPU")[0]}
    seconds = time.perf_counter() - began
    return {**found, "fits": True, "seconds": seconds, "peak_mib": torch.cuda.max_memory_allocated() / 2**20}


def main() -> int:
    """Print the table; return 1 if ours does not fit."""
    torch, read, context = towers(sys.argv[1])
    total = torch.cuda.get_device_properties(0).total_memory
    failed = 0
    with context:
        read([torch.randn(*_LARGEST, device="cuda", dtype=torch.bfloat16)], plugin=True)  # kernels are loaded once
        read([torch.randn(*_LARGEST, device="cuda", dtype=torch.bfloat16)], plugin=False)
        for share, what in ((L4_BYTES / total, "an L4's 19.2 GB"), (1.0, "all of this GPU")):
            torch.cuda.set_per_process_memory_fraction(share)
            for plugin in (False, True):
                for pages in _PAGES:
                    found = measure(torch, read, pages, plugin=plugin)
                    sys.stdout.write(json.dumps({"memory": what, **found}) + "\n")
                    failed += plugin and not found["fits"]
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

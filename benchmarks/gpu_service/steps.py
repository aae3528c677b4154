"""A vLLM plugin that measures where a step's time goes, in the server's own functions while it serves.

With `STEPS=FILE` in its environment, and `benchmarks.gpu_service.steps:register` as an entry point of
`vllm.general_plugins`, a server writes a line of JSON after every few hundred decode steps: milliseconds a step on the
CPU, and on the GPU between two points of its stream. Only steps that decode alone are counted; images by themselves.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

FILE = "STEPS"
_EVERY = 400

_CPU = {  # class: methods, in the engine's thread
    "vllm.v1.engine.core:EngineCore": ["step_with_batch_queue", "step"],
    "vllm.v1.core.sched.scheduler:Scheduler": ["schedule", "update_from_output"],
    "vllm.v1.worker.gpu_model_runner:GPUModelRunner": [
        "execute_model",
        "sample_tokens",
        "_update_states",
        "_prepare_inputs",
        "_build_attention_metadata",
        "_preprocess",
        "_model_forward",
        "_sample",
        "_bookkeeping_sync",
    ],
    "vllm.v1.worker.gpu_model_runner:AsyncGPUModelRunnerOutput": ["__init__", "get_output"],
    "vllm.v1.worker.gpu.model_runner:GPUModelRunner": [  # the second one
        "execute_model",
        "sample_tokens",
        "prepare_inputs",
        "prepare_attn",
        "sample",
        "postprocess",
    ],
}
_GPU = ("_preprocess", "_model_forward", "_sample", "sample", "postprocess")
_EACH = {  # once for each image, in any process
    "vllm.renderers.base:BaseRenderer": ["_process_multimodal"],
    "vllm.multimodal.media.image:ImageMediaIO": ["load_bytes"],
    "vllm.v1.serial_utils:MsgpackDecoder": ["decode"],
    "vllm.v1.worker.gpu_model_runner:GPUModelRunner": ["_execute_mm_encoder"],
}


class Steps:
    """The measurements since the last line was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.decoding = False
        self._forget()

    def _forget(self) -> None:
        self._began = time.perf_counter()
        self._steps: defaultdict[int, int] = defaultdict(int)  # by sequences
        self._cpu: defaultdict[str, float] = defaultdict(float)
        self._points: list[tuple[str, Any, Any]] = []

    def scheduled(self, output: Any) -> None:
        """A step begins."""
        sequences = len(output.num_scheduled_tokens)
        self.decoding = bool(sequences) and output.total_num_scheduled_tokens == sequences
        if self.decoding:
            self._steps[sequences] += 1
        if sum(self._steps.values()) >= _EVERY:
            self._write()

    def add(self, name: str, seconds: float) -> None:
        """Add the seconds spent in a function."""
        if self.decoding:
            self._cpu[name] += seconds

    def between(self, name: str, begin: Any, end: Any) -> None:
        """Add two events in the GPU's stream."""
        if self.decoding:
            self._points.append((name, begin, end))

    def _write(self) -> None:
        import_module("torch").cuda.synchronize()
        steps = sum(self._steps.values())
        gpu: defaultdict[str, float] = defaultdict(float)
        for name, begin, end in self._points:
            gpu[name] += begin.elapsed_time(end)
        forwards = [point for point in self._points if point[0] == "_model_forward"]
        gaps = sorted(a[1].elapsed_time(b[1]) for a, b in itertools.pairwise(forwards))
        line = {
            "sequences": dict(self._steps),
            "wall_ms": 1e3 * (time.perf_counter() - self._began) / steps,
            "median_step_on_gpu_ms": gaps[len(gaps) // 2] if gaps else 0.0,
            "cpu_ms": {name: round(1e3 * seconds / steps, 4) for name, seconds in self._cpu.items()},
            "gpu_ms": {name: round(total / steps, 4) for name, total in gpu.items()},
        }
        write(self._path, line)
        self._forget()


def write(path: Path, line: dict[str, Any]) -> None:
    """Append a line; a short line is written whole even if other processes write, too."""
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def register() -> None:
    """Measure if a file is named."""
    name = os.environ.get(FILE)
    if not name:
        return
    steps = Steps(Path(name))
    torch = import_module("torch")
    for where, methods in _CPU.items():
        owner = _found(where)
        for method in methods:
            setattr(owner, method, _timed(getattr(owner, method), method, owner.__name__, steps, torch))
    for where, methods in _EACH.items():
        owner = _found(where)
        for method in methods:
            setattr(owner, method, _each(getattr(owner, method), method, Path(name), torch))
    scheduler = _found("vllm.v1.core.sched.scheduler:Scheduler")
    schedule = scheduler.schedule

    @functools.wraps(schedule)
    def noted(self: Any, *args: Any, **named: Any) -> Any:
        output = schedule(self, *args, **named)
        steps.scheduled(output)
        return output

    scheduler.schedule = noted


def _found(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def _timed(function: Callable[..., Any], method: str, owner: str, steps: Steps, torch: Any) -> Callable[..., Any]:
    name = f"{owner}.{method}" if method == "__init__" else method

    @functools.wraps(function)
    def timed(*args: Any, **named: Any) -> Any:
        began = time.perf_counter()
        if method in _GPU and steps.decoding:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            result = function(*args, **named)
            end.record()
            steps.between(name, begin, end)
        else:
            result = function(*args, **named)
        steps.add(name, time.perf_counter() - began)
        return result

    return timed


def _each(function: Callable[..., Any], method: str, path: Path, torch: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*args: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = function(*args, **named)
        if method == "_execute_mm_encoder":
            if not result:
                return result
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        if seconds > 1e-3:
            write(
                path,
                {"once": method, "ms": round(1e3 * seconds, 2), "of": len(result) if isinstance(result, list) else 1},
            )
        return result

    return timed

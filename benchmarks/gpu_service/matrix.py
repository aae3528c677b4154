"""Runs servers in turn on one GPU; measures the time to start, pages a second and memory.

`python3 -m benchmarks.gpu_service.matrix PLAN PAGES OUT`: PLAN is a JSON list of servers, as `plans.py` writes it;
PAGES a folder of PNG images; OUT gets `results.jsonl`, and a log of each server. Needs vLLM and a GPU.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from benchmarks.gpu_service.load import Load, Pages, measure, texts

_FIRST_PORT = 8000
_START_SECONDS, _STOP_SECONDS, _LOOK_SECONDS, _LOOK_SECONDS_AT_MOST = 240.0, 20.0, 0.25, 10.0
_OF_THE_PLAN = {"PAGEMILL_VISION", "VLLM_PLUGINS"}  # never taken from the shell
_FIRST_PAGES, _FIRST_TOKENS = 10, 64  # one after the other, as soon as it is ready
_SAME_PAGES, _SAME_TOKENS = 48, 64


class Memory(threading.Thread):
    """The peak memory in use on the GPU, in MiB, as its driver says."""

    def __init__(self, gpu: int) -> None:
        super().__init__(daemon=True)
        self.peak_mib = 0
        self._read = threading.Event()
        which = ["-i", str(gpu)]
        command = ["nvidia-smi", *which, "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-lms", "250"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def run(self) -> None:
        """Read the memory in use until told to stop."""
        assert self._process.stdout  # noqa: S101 -- for mypy: it is a pipe
        with self._process.stdout as lines:
            for line in lines:
                if line.strip().isdigit():
                    self.peak_mib = max(self.peak_mib, int(line))
                    self._read.set()

    def stop(self) -> int:
        """Stop after at least one reading, and return the peak."""
        self._read.wait(_LOOK_SECONDS_AT_MOST)
        self._process.kill()
        self._process.wait()
        self.join()
        return self.peak_mib


def log_name(server: dict[str, Any]) -> str:
    """A file name for a server."""
    return "-".join(re.findall(r"\w+", server["label"]))


@contextlib.contextmanager
def served(server: dict[str, Any], out: Path, gpu: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server with empty caches of its own; stop it and all its children."""
    name = log_name(server)
    caches = out / f"{name}-caches"
    shutil.rmtree(caches, ignore_errors=True)
    where = {
        "VLLM_CACHE_ROOT": f"{caches}/vllm",
        "TRITON_CACHE_DIR": f"{caches}/triton",
        "TORCHINDUCTOR_CACHE_DIR": f"{caches}/inductor",
        "CUDA_CACHE_PATH": f"{caches}/cuda",
    }
    outside = {name: value for name, value in os.environ.items() if name not in _OF_THE_PLAN}
    environment = {**outside, **where, **server["environment"], "CUDA_VISIBLE_DEVICES": str(gpu)}
    command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", *server["arguments"]]
    command += ["--port", str(_FIRST_PORT + gpu)]
    with (out / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(caches, ignore_errors=True)


async def ready(process: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until the server says that it is healthy; tell whether it did in time."""
    deadline = time.monotonic() + _START_SECONDS
    async with httpx.AsyncClient(timeout=5.0) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{url}/health")).is_success:
                    return True
            await asyncio.sleep(_LOOK_SECONDS)
    return False


async def run(server: dict[str, Any], pages: Pages, out: Path, gpu: int) -> None:
    """Measure one server; each result is written at once."""

    def note(what: str, **measured: Any) -> None:
        line = json.dumps({"server": server["label"], "what": what, **measured})
        with (out / "results.jsonl").open("a") as results:
            results.write(line + "\n")
        sys.stdout.write(line[:400] + "\n")
        sys.stdout.flush()

    url, memory, began = f"http://127.0.0.1:{_FIRST_PORT + gpu}", Memory(gpu), time.monotonic()
    memory.start()
    with served(server, out, gpu) as process:
        try:
            if await ready(process, url):
                healthy = time.monotonic() - began
                first = [await _page_seconds(url, pages) for _ in range(_FIRST_PAGES)]
                note("start", healthy_seconds=healthy, first_page_seconds=healthy + first[0], pages_seconds=first)
                await _loaded(server, url, pages, note)
            else:
                note("failed", error=(out / f"{log_name(server)}.log").read_text()[-1500:])
        except (RuntimeError, httpx.HTTPError, ValueError) as error:
            note("failed", error=str(error) or repr(error))  # the next server is measured all the same
        finally:
            note("memory", peak_mib=memory.stop())


async def _page_seconds(url: str, pages: Pages) -> float:
    measured = await measure(url, pages, Load(1, 1, _FIRST_TOKENS))
    if measured.errors:
        raise RuntimeError(f"it cannot read a page: {measured.first_error}")
    return measured.median_seconds


async def _loaded(server: dict[str, Any], url: str, pages: Pages, note: Callable[..., None]) -> None:
    await measure(url, pages, Load(8, 8, _FIRST_TOKENS))
    for text in server["loads"]:
        load = Load.parse(text)
        measured = await measure(url, pages, load)
        note("load", **asdict(load), **asdict(measured))
    if server.get("texts"):
        said = await texts(url, pages, count=_SAME_PAGES, in_flight=server["texts"], tokens=_SAME_TOKENS)
        note("texts", texts=said)
    if server.get("profile"):
        async with httpx.AsyncClient(timeout=120) as client:
            (await client.post(f"{url}/start_profile")).raise_for_status()
            await measure(url, pages, Load(8, 8, _FIRST_TOKENS))
            (await client.post(f"{url}/stop_profile")).raise_for_status()


async def main() -> int:
    """Run the servers of a plan, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("pages", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=3600.0, help="begin no server after this")
    parser.add_argument("--gpu", type=int, default=0, help="number of the GPU; each has servers of its own")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pages, began = Pages(options.pages), time.monotonic()
    for server in json.loads(options.plan.read_text()):
        if time.monotonic() - began > options.seconds:
            sys.stdout.write(f"no time for {server['label']}\n")
            continue
        await run(server, pages, options.out, options.gpu)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

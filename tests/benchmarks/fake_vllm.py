"""Stands in for vLLM's command: says how it was started, and serves the fake OCR endpoint.

STARTED names a FIFO, which it and the process beside it hold open as long as they live. With `--die` it does not start,
and leaves that process behind; with `--unwell` it cannot read a page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.fakes.ocr_endpoint import FakeEndpoint, failing


async def _serve(port: int, *, well: bool) -> None:
    async with FakeEndpoint(lambda _request: None if well else failing(500), port=port):
        await asyncio.Event().wait()


def main() -> None:
    arguments, caches = sys.argv[1:], Path(os.environ["VLLM_CACHE_ROOT"])
    started = os.open(os.environ["STARTED"], os.O_WRONLY)
    os.set_inheritable(started, True)
    beside = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], close_fds=False)
    told = {"arguments": arguments, "environment": dict(os.environ), "caches": caches.exists(), "beside": beside.pid}
    os.write(started, json.dumps(told).encode() + b"\n")
    caches.mkdir(parents=True, exist_ok=True)
    if "--die" in arguments:
        sys.exit("the engine died")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(arguments[arguments.index("--port") + 1]), well="--unwell" not in arguments))


if __name__ == "__main__":
    main()

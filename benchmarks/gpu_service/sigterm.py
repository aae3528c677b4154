"""What SIGTERM does to pages in flight: `python3 -m benchmarks.gpu_service.sigterm PLAN PAGES OUT`.

Needs vLLM and a GPU. Cloud Run sends SIGTERM to an instance and kills it ten seconds later. Each server of the plan
gets eight pages, then SIGTERM, then a request every second. Each line says how many seconds after SIGTERM something
happened.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from benchmarks.gpu_service.load import Load, Pages, measure
from benchmarks.gpu_service.matrix import ready, served

_IN_FLIGHT, _TOKENS = 8, 3000
_BEFORE_SECONDS = 2.5  # all pages are being written by then
_LONGEST_SECONDS = 30
_PORT = 8000


class Events:
    """What happened, in seconds after SIGTERM."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.began = time.monotonic()

    def note(self, what: str) -> None:
        """Print one event."""
        line = {"server": self._server, "seconds": round(time.monotonic() - self.began, 2), "what": what}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


async def _page(url: str, pages: Pages, index: int, tokens: int) -> str:
    """What becomes of one page."""
    async with httpx.AsyncClient(timeout=120.0) as client:
        try:
            answer = await client.post(f"{url}/v1/chat/completions", json=pages.body(index, tokens))
        except httpx.HTTPError as error:
            return type(error).__name__
    if not answer.is_success:
        return f"HTTP {answer.status_code}"
    said = answer.json()
    return f"{said['choices'][0]['finish_reason']} after {said['usage']['completion_tokens']} tokens"


async def terminate(
    process: subprocess.Popen[bytes], url: str, pages: Pages, label: str, *, before_seconds: float = _BEFORE_SECONDS
) -> None:
    """Send pages, then SIGTERM, and follow what happens until the server is gone."""
    events = Events(label)

    async def followed(name: str, index: int, tokens: int) -> None:
        events.note(f"{name}: {await _page(url, pages, index, tokens)}")

    async with asyncio.TaskGroup() as group:
        for index in range(_IN_FLIGHT):
            group.create_task(followed("page in flight", index, _TOKENS))
        await asyncio.sleep(before_seconds)
        events.began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for second in range(_LONGEST_SECONDS):
            await asyncio.sleep(1)
            if process.poll() is not None:
                events.note(f"the server has ended with status {process.returncode}")
                return
            group.create_task(followed("new page", second, 1))
        events.note("the server still runs, and is killed")
        process.kill()


async def main() -> int:
    """Terminate the servers of a plan, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("pages", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pages, url = Pages(options.pages), f"http://127.0.0.1:{_PORT}"
    for server in json.loads(options.plan.read_text()):
        with served(server, options.out, 0) as process:
            if not await ready(process, url):
                Events(server["label"]).note("it does not start")
                continue
            await measure(url, pages, Load(_IN_FLIGHT, _IN_FLIGHT, 64))
            await terminate(process, url, pages, server["label"])
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

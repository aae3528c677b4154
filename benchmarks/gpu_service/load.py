"""Sends page images to a vLLM server, so many at once, with answers of a fixed length: like is compared with like."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

MODEL = "lightonai/LightOnOCR-2-1B"
_ANSWER_SECONDS = 600.0


@dataclass(frozen=True)
class Load:
    """What is sent."""

    pages: int
    in_flight: int
    tokens: int  # of each answer
    temperature: float = 0.2

    @classmethod
    def parse(cls, text: str) -> Load:
        """Read `PAGES:IN_FLIGHT:TOKENS`, or that with a temperature behind."""
        pages, in_flight, tokens, *temperature = text.split(":")
        return cls(int(pages), int(in_flight), int(tokens), *map(float, temperature))


@dataclass(frozen=True)
class Measured:
    """What came of it; seconds are of a page, from request to answer."""

    pages_per_second: float
    median_seconds: float
    slowest_seconds: float
    prompt_tokens: int  # of the last page
    errors: int
    first_error: str

    def as_dict(self) -> dict[str, Any]:
        """For a file of results."""
        return asdict(self)


class Pages:
    """The images of a folder, ready to be sent; they are repeated when there are too few."""

    def __init__(self, folder: Path) -> None:
        self.images = [base64.b64encode(path.read_bytes()).decode() for path in sorted(folder.glob("*.png"))]

    def body(self, index: int, tokens: int, *, temperature: float = 0.2) -> dict[str, Any]:
        """The request for one page."""
        url = f"data:image/png;base64,{self.images[index % len(self.images)]}"
        content = [{"type": "image_url", "image_url": {"url": url}}]
        fixed = {"max_tokens": tokens, "min_tokens": tokens, "ignore_eos": True}
        sampling = {"temperature": temperature, "top_p": 0.9}
        return {"model": MODEL, "messages": [{"role": "user", "content": content}], **sampling, **fixed}


async def measure(url: str, pages: Pages, load: Load) -> Measured:
    """Send a load, and wait for all of it."""
    places = asyncio.Semaphore(load.in_flight)
    seconds: list[float] = []
    problems: list[str] = []
    prompt_tokens = 0

    async def one(client: httpx.AsyncClient, index: int) -> None:
        nonlocal prompt_tokens
        async with places:
            began = time.perf_counter()
            try:
                body = pages.body(index, load.tokens, temperature=load.temperature)
                answer = await client.post(f"{url}/v1/chat/completions", json=body)
                answer.raise_for_status()
            except httpx.HTTPError as error:
                problems.append(f"{error!r}"[:300])
                return
            seconds.append(time.perf_counter() - began)
            prompt_tokens = answer.json()["usage"]["prompt_tokens"]

    limits = httpx.Limits(max_connections=load.in_flight)
    async with httpx.AsyncClient(timeout=_ANSWER_SECONDS, limits=limits) as client:
        began = time.perf_counter()
        await asyncio.gather(*(one(client, index) for index in range(load.pages)))
        wall_seconds = time.perf_counter() - began
    seconds.sort()
    middle, last = (seconds[len(seconds) // 2], seconds[-1]) if seconds else (0.0, 0.0)
    first_error = problems[0] if problems else ""
    return Measured(len(seconds) / wall_seconds, middle, last, prompt_tokens, len(problems), first_error)


async def texts(url: str, pages: Pages, *, count: int, in_flight: int, tokens: int) -> list[str]:
    """The answers to some pages, always the likeliest token: to compare servers with one another."""
    places = asyncio.Semaphore(in_flight)

    async def one(client: httpx.AsyncClient, index: int) -> str:
        async with places:
            body = pages.body(index, tokens, temperature=0.0)
            answer = (await client.post(f"{url}/v1/chat/completions", json=body)).raise_for_status()
            return str(answer.json()["choices"][0]["message"]["content"])

    async with httpx.AsyncClient(timeout=_ANSWER_SECONDS) as client:
        return list(await asyncio.gather(*(one(client, index) for index in range(count))))

"""Sends page images to a vLLM server, with a fixed number in flight and a fixed length of answers."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

MODEL = "lightonai/LightOnOCR-2-1B"
_ANSWER_SECONDS = 600.0
# What a request may ask for besides a text, by name; parameters of vLLM 0.22.1.
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "logprobs": {"logprobs": True, "top_logprobs": 0},
    "logprobs-5": {"logprobs": True, "top_logprobs": 5},
    "repetition": {"repetition_detection": {"max_pattern_size": 64, "min_pattern_size": 1, "min_count": 12}},
}
_TO_FIRST_TOKEN = "vllm:time_to_first_token_seconds"  # noqa: S105 -- no password


@dataclass(frozen=True)
class Load:
    """Which pages are sent, and how."""

    pages: int
    in_flight: int
    tokens: int  # of each answer
    temperature: float = 0.2
    option: str = ""  # one of OPTIONS

    @classmethod
    def parse(cls, text: str) -> Load:
        """Read `PAGES:IN_FLIGHT:TOKENS`, optionally with `:TEMPERATURE`, and then with `:OPTION`."""
        pages, in_flight, tokens, *more = text.split(":")
        temperature = more.pop(0) if more else cls.temperature
        return cls(int(pages), int(in_flight), int(tokens), float(temperature), *more)


@dataclass(frozen=True)
class Measured:
    """What was measured; seconds are for one page, from request to answer."""

    pages_per_second: float
    median_seconds: float
    slowest_seconds: float
    first_token_seconds: float  # mean, as the server's metrics say; 0: they do not
    prompt_tokens: int  # of the last page
    answer_tokens: int  # of the last page
    errors: int
    first_error: str


class Pages:
    """The images of a folder, encoded for requests; repeated if there are too few."""

    def __init__(self, folder: Path) -> None:
        self.images = [base64.b64encode(path.read_bytes()).decode() for path in sorted(folder.glob("*.png"))]

    def body(self, index: int, tokens: int, *, temperature: float = 0.2, option: str = "") -> dict[str, Any]:
        """The request for one page."""
        url = f"data:image/png;base64,{self.images[index % len(self.images)]}"
        content = [{"type": "image_url", "image_url": {"url": url}}]
        # No "min_tokens": production does not send it, and vLLM would have to change the logits of every step.
        fixed = {"max_tokens": tokens, "ignore_eos": True}
        sampling = {"temperature": temperature, "top_p": 0.9}
        return {
            "model": MODEL,
            "messages": [{"role": "user", "content": content}],
            **sampling,
            **fixed,
            **OPTIONS[option],
        }


async def measure(url: str, pages: Pages, load: Load) -> Measured:
    """Send a load, and wait for all of it."""
    places = asyncio.Semaphore(load.in_flight)
    seconds: list[float] = []
    problems: list[str] = []
    usage = {"prompt_tokens": 0, "completion_tokens": 0}

    async def one(client: httpx.AsyncClient, index: int) -> None:
        nonlocal usage
        async with places:
            began = time.perf_counter()
            try:
                body = pages.body(index, load.tokens, temperature=load.temperature, option=load.option)
                answer = await client.post(f"{url}/v1/chat/completions", json=body)
                answer.raise_for_status()
            except httpx.HTTPError as error:
                problems.append(f"{error!r}"[:300])
                return
            seconds.append(time.perf_counter() - began)
            usage = answer.json()["usage"]

    limits = httpx.Limits(max_connections=load.in_flight)
    async with httpx.AsyncClient(timeout=_ANSWER_SECONDS, limits=limits) as client:
        before, began = await _first_tokens(client, url), time.perf_counter()
        await asyncio.gather(*(one(client, index) for index in range(load.pages)))
        wall_seconds, after = time.perf_counter() - began, await _first_tokens(client, url)
    seconds.sort()
    counted = after[1] - before[1]
    return Measured(
        pages_per_second=len(seconds) / wall_seconds,
        median_seconds=seconds[len(seconds) // 2] if seconds else 0.0,
        slowest_seconds=seconds[-1] if seconds else 0.0,
        first_token_seconds=(after[0] - before[0]) / counted if counted else 0.0,
        prompt_tokens=usage["prompt_tokens"],
        answer_tokens=usage["completion_tokens"],
        errors=len(problems),
        first_error=problems[0] if problems else "",
    )


async def _first_tokens(client: httpx.AsyncClient, url: str) -> tuple[float, float]:
    """Seconds to the first token of all pages so far, and how many pages, as the server's metrics say."""
    try:
        answer = (await client.get(f"{url}/metrics")).raise_for_status()
    except httpx.HTTPError:
        return 0.0, 0.0  # a server without this metric; pages are sent all the same
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families if family.name == _TO_FIRST_TOKEN for sample in family.samples]
    total, pages = (sum(s.value for s in samples if s.name == f"{_TO_FIRST_TOKEN}_{what}") for what in ("sum", "count"))
    return total, pages


async def texts(url: str, pages: Pages, *, count: int, in_flight: int, tokens: int) -> list[str]:
    """The answers to some pages with greedy sampling, to compare servers with each other."""
    places = asyncio.Semaphore(in_flight)

    async def one(client: httpx.AsyncClient, index: int) -> str:
        async with places:
            body = pages.body(index, tokens, temperature=0.0)
            answer = (await client.post(f"{url}/v1/chat/completions", json=body)).raise_for_status()
            return str(answer.json()["choices"][0]["message"]["content"])

    async with httpx.AsyncClient(timeout=_ANSWER_SECONDS) as client:
        return list(await asyncio.gather(*(one(client, index) for index in range(count))))

"""Servers of revisions: vLLM with a model that reads well, or with one of the known faults."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.fakes.ocr_endpoint import Answer, Request

_LOOP = "and the same line once more\n"
_SALAD = (
    "▁the Ġvon 漢 })); ſt endregion Portály oso лен <0x0A> ucene ĠĠ #### }{ -ism ฉ kwargs lambda Ζ noqa ⠿ uint oulder"
).split()


Reads = Callable[[str, str], Answer]  # from the image's name and its known text to an answer


@dataclass(frozen=True)
class Server:
    """How a container behaves."""

    reads: Reads | None = None  # None: it reads well
    starts: bool = True  # whether it listens at all
    healthy: bool = True  # whether /health succeeds, once it listens
    model: str = ""  # served instead of the one that the flags name
    latency_seconds: float = 0.0
    gpu_quota: bool = True  # whether there is a GPU for it
    # Starts a program with the container's arguments instead, and returns its URL.
    program: Callable[[Sequence[str]], str] | None = None

    def answering(self, texts: Mapping[str, str]) -> Callable[[Request], Answer | None]:
        """The function that answers requests, given the known texts by the pixels of their images."""
        reads = self.reads or well
        return lambda request: reads(request.image, texts.get(request.image, ""))


def well(_: str, truth: str) -> Answer:
    """The known text, with the model's own markup: a heading, bold type, a table in HTML, escaped dollars."""
    lines = [line for line in truth.splitlines() if line.strip()]
    if not lines:
        return Answer(text="")
    marked = [f"# {lines[0]}", "", *lines[1:]]
    marked = [re.sub(r"^(Date|Number|From|To):", r"**\1:**", line).replace("$", r"\$") for line in marked]
    rows = [line for line in lines if re.fullmatch(r"\d+ .* [\d.,]+", line)]
    text = [line for line in marked if line not in rows]
    if rows:
        cells = ["".join(f"<td>{word}</td>" for word in row.split()) for row in rows]
        text += ["<table>", *(f"<tr>{row}</tr>" for row in cells), "</table>", "", "![image](image_1.png)"]
    return Answer(text="\n".join(text))


def random_weights(image: str, _: str) -> Answer:
    """Random tokens, up to the limit."""
    rng = random.Random(image)  # noqa: S311 -- a text, no secret
    return Answer(text=" ".join(rng.choices(_SALAD, k=900)), finish_reason="length")


def greedy_loop(_: str, truth: str) -> Answer:
    """Begins well, then repeats one line up to the limit."""
    return Answer(text=f"{_begin(truth)}\n{_LOOP * 300}", finish_reason="length")


def greedy_loop_that_ends(_: str, truth: str) -> Answer:
    """Repeats one line as well, but the model stops by itself, as after a good page."""
    return Answer(text=f"{truth}\n{_LOOP * 40}")


def weaker_model(image: str, truth: str) -> Answer:
    """Another model under the same name: loses a third of the words, and garbles a third of the others."""
    rng = random.Random(image)  # noqa: S311 -- as above
    kept = [word for word in truth.split() if rng.random() > 1 / 3]
    return Answer(text=" ".join(word[::-1] if rng.random() < 1 / 3 else word for word in kept))


def empty(_: str, __: str) -> Answer:
    """No text, as for a blank page."""
    return Answer(text="")


def another_page(texts: Mapping[str, str]) -> Reads:
    """The known text of the next page."""
    following = dict(itertools.pairwise([*texts, *list(texts)[:1]]))
    return lambda image, _: Answer(text=texts[following[image]])


def _begin(truth: str) -> str:
    return " ".join(truth.split()[:40])

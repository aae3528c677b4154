"""Estimates how many pages a second a GPU reads, for GPUs on which this has not been measured.

A batch of pages goes through two phases. Prefill reads the image and the prompt; its time is arithmetic. Decoding takes
one step for each token of all sequences together; a step reads all weights and the cache of each sequence, and starts
some hundred kernels. docs/gpu-service.md compares the estimate with measurements.
"""

from __future__ import annotations

from dataclasses import dataclass

# LightOnOCR-2-1B: a tower of 24 layers, 1,024 wide, and a decoder of 28 with 8 heads of keys and values.
_WIDTH, _TOWER_LAYERS, _TOWER_MATRICES = 1024, 24, 16 * 1024**2  # weights of a layer: 4 + 3 * 4 squares
_DECODER_LAYERS, _DECODER_MATRICES, _DECODER_HEADS = 28, 15_728_640, 2048  # weights of a layer; 16 heads of 128
_WEIGHT_BYTES = 2 * (_DECODER_LAYERS * _DECODER_MATRICES + 151_936 * _WIDTH)  # of a step, the last layer's included
_CACHE_BYTES = 2 * 2 * 8 * 128 * _DECODER_LAYERS  # of a token: keys and values, two bytes each
_KERNELS = 400  # of a step, in a CUDA graph; counted in a trace
_MASKED = 1.7  # time of stock vLLM's masked attention, relative to attention without a mask, one image a step

# Measured on an H100: 34 ms for all kernels of a page's image and prompt, and 2.1 ms for a step of eight sequences.
_OF_PEAK, _OF_BANDWIDTH, _KERNEL_SECONDS = 0.49, 0.8, 2e-6

# A4 upright, 1,540 px high, in patches of 14 px; 2 x 2 of them are a token.
_PAGE_PATCHES, _PROMPT_TOKENS, TEXT_TOKENS = 8580, 2171, 700


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU's speed according to its vendor."""

    name: str
    flops: float  # dense bfloat16 operations a second
    bandwidth: float  # of its memory, bytes a second
    correction: float = 1.0  # measured pages a second, relative to this model's estimate


H100 = Gpu("H100", 989e12, 3.35e12)
# The only public figure of an L4 is 0.59 pages a second with stock vLLM, 32 in flight; this model estimates 0.75.
L4 = Gpu("L4", 121e12, 0.3e12, correction=0.59 / 0.75)


def read_seconds(gpu: Gpu, *, packed: bool = True) -> float:
    """Seconds of prefill: the image and the prompt of a page.

    Args:
        gpu: The GPU.
        packed: Whether the vision plugin is used; otherwise stock vLLM with one image a step.
    """
    linear = 2.0 * _PAGE_PATCHES * _TOWER_MATRICES * _TOWER_LAYERS
    attention = 4.0 * _PAGE_PATCHES**2 * _WIDTH * _TOWER_LAYERS
    prompt = 2.0 * _PROMPT_TOKENS * _DECODER_MATRICES * _DECODER_LAYERS
    prompt += 2.0 * _PROMPT_TOKENS**2 * _DECODER_HEADS * _DECODER_LAYERS  # half of a square: attention is causal
    return (linear + attention * (1.0 if packed else _MASKED) + prompt) / (_OF_PEAK * gpu.flops)


def step_seconds(gpu: Gpu, sequences: int, *, tokens: int = TEXT_TOKENS) -> float:
    """Seconds of a decoding step: one token of each sequence, halfway through their texts."""
    cache = sequences * (_PROMPT_TOKENS + tokens / 2) * _CACHE_BYTES
    return _KERNELS * _KERNEL_SECONDS + (_WEIGHT_BYTES + cache) / (_OF_BANDWIDTH * gpu.bandwidth)


def pages_per_second(gpu: Gpu, in_flight: int, *, tokens: int = TEXT_TOKENS, packed: bool = True) -> float:
    """Pages a second with `in_flight` pages at the same time, each with a text of `tokens` tokens."""
    writing = tokens * step_seconds(gpu, in_flight, tokens=tokens) / in_flight
    return gpu.correction / (read_seconds(gpu, packed=packed) + writing)

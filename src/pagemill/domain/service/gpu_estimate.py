"""How fast a GPU reads pages: an estimate from counted work, for GPUs that nobody has measured it on.

Two parts, one after the other, as a batch of pages goes through them. Reading the image and the prompt is arithmetic;
writing is a step a token for all sequences together, which reads all weights and what each sequence holds so far, and
starts some hundred kernels. docs/gpu-service.md compares it with what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

# LightOnOCR-2-1B: a tower of 24 layers, 1,024 wide, and a decoder of 28 with 8 heads of keys and values.
_WIDTH, _TOWER_LAYERS, _TOWER_MATRICES = 1024, 24, 16 * 1024**2  # weights of a layer: 4 + 3 * 4 squares
_DECODER_LAYERS, _DECODER_MATRICES, _DECODER_HEADS = 28, 15_728_640, 2048  # weights of a layer; 16 heads of 128
_WEIGHT_BYTES = 2 * (_DECODER_LAYERS * _DECODER_MATRICES + 151_936 * _WIDTH)  # of a step, the last layer's included
_CACHE_BYTES = 2 * 2 * 8 * 128 * _DECODER_LAYERS  # of a token: keys and values, two bytes each
_KERNELS = 400  # of a step, in a CUDA graph; counted in a trace
_MASKED = 1.7  # stock vLLM's attention to that without a mask, one image a step

# Measured on an H100: 34 ms for all kernels of a page's image and prompt, and 2.1 ms for a step of eight sequences.
_OF_PEAK, _OF_BANDWIDTH, _KERNEL_SECONDS = 0.49, 0.8, 2e-6

# A4 upright, 1,540 px high, in patches of 14 px; 2 x 2 of them are a token.
_PAGE_PATCHES, _PROMPT_TOKENS, TEXT_TOKENS = 8580, 2171, 700


@dataclass(frozen=True, slots=True)
class Gpu:
    """What a GPU can do, as its maker says."""

    name: str
    flops: float  # of matrices in bfloat16, a second
    bandwidth: float  # of its memory, bytes a second
    correction: float = 1.0  # pages a second that were seen, to those that this model says


H100 = Gpu("H100", 989e12, 3.35e12)
# The one public figure of an L4 is 0.59 pages a second with stock vLLM, 32 in flight; this model says 0.75 for that.
L4 = Gpu("L4", 121e12, 0.3e12, correction=0.59 / 0.75)


def read_seconds(gpu: Gpu, *, packed: bool = True) -> float:
    """Seconds for the image and the prompt of a page.

    Args:
        gpu: Which.
        packed: With the vision plugin; otherwise stock vLLM with one image a step.
    """
    linear = 2.0 * _PAGE_PATCHES * _TOWER_MATRICES * _TOWER_LAYERS
    attention = 4.0 * _PAGE_PATCHES**2 * _WIDTH * _TOWER_LAYERS
    prompt = 2.0 * _PROMPT_TOKENS * _DECODER_MATRICES * _DECODER_LAYERS
    prompt += 2.0 * _PROMPT_TOKENS**2 * _DECODER_HEADS * _DECODER_LAYERS  # half of a square: nobody looks ahead
    return (linear + attention * (1.0 if packed else _MASKED) + prompt) / (_OF_PEAK * gpu.flops)


def step_seconds(gpu: Gpu, sequences: int, *, tokens: int = TEXT_TOKENS) -> float:
    """Seconds for one token of each sequence, halfway through their texts."""
    cache = sequences * (_PROMPT_TOKENS + tokens / 2) * _CACHE_BYTES
    return _KERNELS * _KERNEL_SECONDS + (_WEIGHT_BYTES + cache) / (_OF_BANDWIDTH * gpu.bandwidth)


def pages_per_second(gpu: Gpu, in_flight: int, *, tokens: int = TEXT_TOKENS, packed: bool = True) -> float:
    """Pages a second with so many in flight, each with a text of so many tokens."""
    writing = tokens * step_seconds(gpu, in_flight, tokens=tokens) / in_flight
    return gpu.correction / (read_seconds(gpu, packed=packed) + writing)

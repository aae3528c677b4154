"""Sends pages to the GPU as bytes, one for each colour of a pixel, and normalizes them there.

Stock vLLM lets transformers convert them to floating-point numbers in the API server, on one thread for all pages.
These are copies of 20 MB, which take longer than the GPU needs to read the page. The arithmetic here is the same, and
so is every result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_AS_THEY_ARE = {"do_rescale": False, "do_normalize": False}


def processor_call(call: Callable[..., Any]) -> Callable[..., Any]:
    """The processor's call of transformers, changed so that transformers only resizes pages."""

    def with_bytes(
        self: Any, prompt: str, mm_data: Mapping[str, Any], mm_kwargs: Mapping[str, Any], tok_kwargs: Mapping[str, Any]
    ) -> Any:
        return call(self, prompt, mm_data, mm_kwargs, {**tok_kwargs, **_AS_THEY_ARE})

    return with_bytes


class Normalization:
    """The normalization of transformers' image processor: x -> (x - mean) / std, for each colour."""

    def __init__(self, torch: Any, processor: Any) -> None:
        if not (processor.do_rescale and processor.do_normalize):
            raise RuntimeError(
                "the model's image processor does not rescale and normalize pages; set PAGEMILL_VISION=0"
            )
        self._torch = torch
        # On 0 to 255 instead of 0 to 1, as in transformers: this saves an operation, and is rounded in the same way.
        scale = 1.0 / processor.rescale_factor
        self._mean, self._std = (
            (torch.tensor(numbers, dtype=torch.float32, device="cpu") * scale).view(3, 1, 1)
            for numbers in (processor.image_mean, processor.image_std)
        )

    @classmethod
    def of_model(cls, torch: Any, config: Any) -> Normalization:
        """The normalization of the model in vLLM's configuration."""
        find = import_module("vllm.transformers_utils.processor").cached_image_processor_from_config
        return cls(torch, find(config))

    def __call__(self, image: Any) -> Any:
        """Normalize an image, (3, height, width); an image that is not of bytes is normalized already."""
        if image.dtype != self._torch.uint8:
            return image
        if self._mean.device != image.device:
            self._mean, self._std = self._mean.to(image.device), self._std.to(image.device)
        return image.to(self._torch.float32).sub_(self._mean).div_(self._std)

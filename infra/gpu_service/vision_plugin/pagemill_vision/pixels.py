"""Pages reach the GPU as they are, a byte a colour, and are normalized there.

vLLM lets transformers make floating-point numbers of them in the API server, on one thread for all pages: copies of
20 MB that take longer than the GPU takes to read the page. The arithmetic is the same, and so is every number that
comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_AS_THEY_ARE = {"do_rescale": False, "do_normalize": False}


def processor_call(call: Callable[..., Any]) -> Callable[..., Any]:
    """The processor's way to ask transformers, which then resizes pages only."""

    def with_bytes(
        self: Any, prompt: str, mm_data: Mapping[str, Any], mm_kwargs: Mapping[str, Any], tok_kwargs: Mapping[str, Any]
    ) -> Any:
        return call(self, prompt, mm_data, mm_kwargs, {**tok_kwargs, **_AS_THEY_ARE})

    return with_bytes


class Normalization:
    """What transformers' image processor would do with a page: x -> (x - mean) / std, for each colour."""

    def __init__(self, torch: Any, processor: Any) -> None:
        if not (processor.do_rescale and processor.do_normalize):
            raise RuntimeError(
                "the model's image processor does not rescale and normalize pages; set PAGEMILL_VISION=0"
            )
        self._torch = torch
        # 0 to 255 instead of 0 to 1, as transformers does it: one operation less, and rounding of its own.
        scale = 1.0 / processor.rescale_factor
        self._mean, self._std = (
            (torch.tensor(numbers, dtype=torch.float32, device="cpu") * scale).view(3, 1, 1)
            for numbers in (processor.image_mean, processor.image_std)
        )

    @classmethod
    def of_model(cls, torch: Any, config: Any) -> Normalization:
        """The one that the folder of the model names, in vLLM's configuration of it."""
        find = import_module("vllm.transformers_utils.processor").cached_image_processor_from_config
        return cls(torch, find(config))

    def __call__(self, image: Any) -> Any:
        """Normalize an image, (3, height, width); one that has been stays as it is."""
        if image.dtype != self._torch.uint8:
            return image
        if self._mean.device != image.device:
            self._mean, self._std = self._mean.to(image.device), self._std.to(image.device)
        return image.to(self._torch.float32).sub_(self._mean).div_(self._std)

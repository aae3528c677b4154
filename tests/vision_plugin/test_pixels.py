from __future__ import annotations

from typing import Any

import pytest
import torch
from pagemill_vision import installation, pixels
from PIL import Image
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.processing import TimingContext
from vllm.multimodal.processing.inputs import ProcessorInputs

_PROMPT = "<|im_start|>user\n<|image_pad|><|im_end|>\n<|im_start|>assistant\n"


def _page(width: int, height: int) -> Image.Image:
    noise = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
    return Image.fromarray(noise.numpy())


def _processed(processor: Any, page: Image.Image) -> tuple[torch.Tensor, list[int], Any]:
    items = processor.info.parse_mm_data({"image": page})
    inputs = ProcessorInputs(_PROMPT, items, {"image": ["one"]}, hf_processor_mm_kwargs={}, tokenization_kwargs={})
    found = processor.apply(inputs, TimingContext(enabled=False))
    pixel_values = found["mm_kwargs"]["image"][0].get_data()["pixel_values"]
    return pixel_values, found["prompt_token_ids"], found["mm_placeholders"]


@pytest.mark.parametrize("size", [(1086, 1540), (1540, 867), (300, 200), (2000, 1400)])
def test_a_page_as_bytes_is_in_the_end_the_same_numbers_and_tokens(size: tuple[int, int], model_config: Any) -> None:
    torch.manual_seed(0)
    processor, page = MULTIMODAL_REGISTRY.create_processor(model_config), _page(*size)
    normalization = pixels.Normalization.of_model(torch, model_config)

    stock, stock_tokens, stock_places = _processed(processor, page)
    installation.install()
    ours, tokens, places = _processed(processor, page)

    assert (stock.dtype, ours.dtype) == (torch.bfloat16, torch.uint8)
    assert torch.equal(normalization(ours).to(torch.bfloat16), stock)
    assert (tokens, places) == (stock_tokens, stock_places)


def test_numbers_are_not_normalized_again(model_config: Any) -> None:
    page = torch.randn(3, 28, 28, dtype=torch.bfloat16)

    assert pixels.Normalization.of_model(torch, model_config)(page) is page


@pytest.mark.parametrize("missing", ["do_rescale", "do_normalize"])
def test_a_model_that_wants_other_numbers_stops_the_server(missing: str) -> None:
    class Other:
        do_rescale = do_normalize = True
        rescale_factor, image_mean, image_std = 1 / 255, [0.5] * 3, [0.5] * 3

    setattr(Other, missing, False)

    with pytest.raises(RuntimeError, match="PAGEMILL_VISION=0"):
        pixels.Normalization(torch, Other)

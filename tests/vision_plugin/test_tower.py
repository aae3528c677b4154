from __future__ import annotations

from typing import Any

import pytest
import torch
from pagemill_vision import installation
from transformers import PixtralVisionConfig
from vllm.model_executor.models import pixtral

pytestmark = pytest.mark.usefixtures("vllm_config")

_EIGHT = [(280, 196), (140, 280), (28, 280), (280, 28), (196, 196), (14, 14), (252, 266), (280, 280)]


def _images(*sizes: tuple[int, int]) -> list[torch.Tensor]:
    return [torch.randn(3, *size) for size in sizes]


def _tower(dtype: torch.dtype) -> Any:
    """A small tower with random weights."""
    torch.set_default_dtype(dtype)
    try:
        tower = pixtral.PixtralHFVisionModel(
            PixtralVisionConfig(
                hidden_size=128,
                intermediate_size=256,
                num_hidden_layers=3,
                num_attention_heads=4,
                image_size=280,
                patch_size=14,
            )
        )
    finally:
        torch.set_default_dtype(torch.float32)
    for parameter in tower.parameters():
        parameter.data.normal_(1.0 if parameter.dim() == 1 else 0.0, 0.05)
    return tower


def _differ(left: Any, right: Any) -> float:
    return max(float((a - b).float().norm() / a.float().norm()) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("images", [1, 2, 8])
def test_features_with_and_without_the_plugin_agree(images: int, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(images)
    stock = pixtral.PixtralHFAttention.forward, pixtral.PixtralHFVisionModel.forward
    installation.install()
    tower, pages = _tower(dtype), _images(*_EIGHT[:images])

    ours = tower(pages)
    pixtral.PixtralHFAttention.forward, pixtral.PixtralHFVisionModel.forward = stock
    without = tower(pages)

    assert [tuple(features.shape) for features in ours] == [(h * w // 14**2, 128) for h, w in _EIGHT[:images]]
    assert _differ(without, ours) < tolerance


def test_an_images_features_do_not_depend_on_its_neighbours() -> None:
    torch.manual_seed(0)
    installation.install()
    tower, pages = _tower(torch.float32), _images(*_EIGHT)

    together = tower(pages)
    alone = [tower([page])[0] for page in pages]
    among_others = tower([pages[0], *(torch.randn_like(page) for page in pages[1:])])[0]

    assert _differ(alone, together) < 1e-6
    assert torch.equal(among_others, together[0])


def test_pages_of_bytes_are_read_like_normalized_ones() -> None:
    torch.manual_seed(0)
    installation.install()
    tower = _tower(torch.bfloat16)
    pages = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in _EIGHT[:2]]

    normalized = [tower.normalized(page).to(torch.bfloat16) for page in pages]

    assert _differ(tower(normalized), tower(pages)) == 0.0
    assert all(float(page.abs().max()) > 1.0 for page in normalized)

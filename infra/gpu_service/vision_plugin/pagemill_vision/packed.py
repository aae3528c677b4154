"""The vision tower with boundaries in place of the mask that vLLM passes through the layers to the attention.

Each function gets vLLM's own module as an argument, so that it uses the installed one, on a GPU and in tests.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from pagemill_vision import pixels


class Boundaries(NamedTuple):
    """Where the images of a step begin and end in its sequence of patches."""

    cumulative: Any  # (images + 1,) int32, on the device: 0, the first image's patches, the first two's, …
    longest: Any  # () int32, on the CPU: reading it there costs no synchronisation


class Places(NamedTuple):
    """The positions of a step's patches in their images."""

    positions: Any  # (patches,) int64, on the device: row by row on the largest grid there is
    rotate: Any  # vLLM's rotary embedding; on a GPU one kernel, in place


def boundaries(torch: Any, patches: Sequence[int], device: Any) -> Boundaries:
    """The boundaries of images, from the number of patches of each."""
    cumulative = [0, *itertools.accumulate(patches)]
    return Boundaries(
        torch.tensor(cumulative, dtype=torch.int32, device=device), torch.tensor(max(patches), dtype=torch.int32)
    )


def attention_init(init: Callable[..., None]) -> Callable[..., None]:
    """The attention's constructor, extended by vLLM's own encoder attention, which selects the backend."""
    attention = import_module("vllm.model_executor.layers.attention.mm_encoder_attention").MMEncoderAttention

    def with_packed(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.packed = attention(self.n_heads, self.head_dim, prefix=f"{kwargs.get('prefix', '')}.packed")

    return with_packed


def attention_forward() -> Callable[..., Any]:
    """The attention of one layer; it gets `Boundaries` as its mask, and `Places` as its position embeddings."""

    def forward(
        self: Any, hidden_states: Any, attention_mask: Boundaries, position_embeddings: Places
    ) -> tuple[Any, None]:
        batch, patches, _ = hidden_states.size()  # a batch of one: all images in a row
        qkv, _ = self.qkv_proj(hidden_states)
        q, k, v = qkv.squeeze(0).chunk(3, dim=-1)
        q, k = position_embeddings.rotate(position_embeddings.positions, q, k)
        heads = (batch, patches, self.n_heads, self.head_dim)
        out = self.packed(*(part.view(heads) for part in (q, k, v)), attention_mask.cumulative, attention_mask.longest)
        projected, _ = self.o_proj(out.reshape(batch, patches, self.n_heads * self.head_dim))
        return projected, None

    return forward


def tower_init(init: Callable[..., None], torch: Any) -> Callable[..., None]:
    """The tower's constructor, extended by vLLM's rotary embedding; the first images fill its table."""
    rotary = import_module("vllm.model_executor.layers.rotary_embedding.base").RotaryEmbedding
    current = import_module("vllm.config").get_current_vllm_config

    def with_rotary(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        init(self, config, *args, **kwargs)
        dim, grid = config.head_dim, (config.image_size // config.patch_size) ** 2
        self.packed_rotary = rotary(
            dim, dim, grid, config.rope_theta, is_neox_style=True, dtype=torch.get_default_dtype(), init_cache=False
        )
        self.packed_rotary.cos_sin_cache = None
        self.normalized = pixels.Normalization.of_model(torch, current().model_config)

    return with_rotary


def tower_forward(pixtral: Any) -> Callable[..., Any]:
    """The vision tower of vLLM, with boundaries in place of a mask."""
    torch = pixtral.torch

    def forward(
        self: Any, pixel_values: list[Any], *, select_layers: Any = None, feature_select_strategy: Any = None
    ) -> tuple[Any, ...]:
        embedded = [self.patch_conv(self.normalized(image).unsqueeze(0).to(self.dtype)) for image in pixel_values]
        sequences = [image.flatten(2).permute(0, 2, 1) for image in embedded]
        sizes = [sequence.shape[1] for sequence in sequences]
        patches = self.ln_pre(torch.cat(sequences, dim=1))
        rotary = self.packed_rotary
        if rotary.cos_sin_cache is None:
            rotary.cos_sin_cache = _table(torch, self.patch_positional_embedding, patches, rotary)
        positions = pixtral.position_ids_in_meshgrid(
            embedded, max_width=self.config.image_size // self.config.patch_size
        ).to(self.device)
        out = self.transformer(
            patches,
            boundaries(torch, sizes, patches.device),
            Places(positions, rotary),
            return_all_hidden_states=select_layers is not None,
        )
        out = pixtral.resolve_visual_encoder_outputs(
            out,
            None,
            select_layers=select_layers,
            max_possible_layers=self.config.num_hidden_layers,
            feature_select_strategy=feature_select_strategy,
        )
        return tuple(torch.split(out.squeeze(0), sizes))

    return forward


def _table(torch: Any, embedding: Any, like: Any, rotary: Any) -> Any:
    """Cosines and sines of all positions, (positions, head_dim), from transformers' table, which has them twice."""
    everywhere = torch.arange(rotary.max_position_embeddings, device=like.device)
    return torch.cat([part[:, : rotary.rotary_dim // 2] for part in embedding(like, everywhere)], dim=-1).contiguous()

"""The replacement. Where vLLM passes a mask from the tower through its layers to the attention, boundaries are passed.

Each function takes vLLM's own module, so that what it builds on is what is there, whether on a GPU or in a test.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple


class Boundaries(NamedTuple):
    """Where images begin and end among the patches of a step."""

    cumulative: Any  # (images + 1,) int32, on the device: 0, the first image's patches, the first two's, …
    longest: Any  # () int32, on the CPU: reading it there costs no synchronisation


def boundaries(torch: Any, patches: Sequence[int], device: Any) -> Boundaries:
    """The boundaries of images with so many patches each."""
    cumulative = [0, *itertools.accumulate(patches)]
    return Boundaries(
        torch.tensor(cumulative, dtype=torch.int32, device=device), torch.tensor(max(patches), dtype=torch.int32)
    )


def initialized(init: Callable[..., None]) -> Callable[..., None]:
    """The attention's constructor, which then has vLLM's encoder attention as well: it knows the backend."""
    attention = import_module("vllm.model_executor.layers.attention.mm_encoder_attention").MMEncoderAttention

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.packed = attention(self.n_heads, self.head_dim, prefix=f"{kwargs.get('prefix', '')}.packed")

    return __init__


def attention_forward(pixtral: Any) -> Callable[..., Any]:
    """The attention of one layer; `attention_mask` are boundaries."""

    def forward(
        self: Any, hidden_states: Any, attention_mask: Boundaries, position_embeddings: Any
    ) -> tuple[Any, None]:
        batch, patches, _ = hidden_states.size()
        qkv, _ = self.qkv_proj(hidden_states)
        heads = (batch, patches, self.n_heads, self.head_dim)
        q, k, v = (part.reshape(heads) for part in qkv.chunk(3, dim=-1))
        cos, sin = position_embeddings
        # (patches, head_dim) between the heads' axes: no transposition there and back.
        q, k = pixtral.apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=1)
        out = self.packed(q, k, v, attention_mask.cumulative, attention_mask.longest)
        projected, _ = self.o_proj(out.reshape(batch, patches, self.n_heads * self.head_dim))
        return projected, None

    return forward


def tower_forward(pixtral: Any) -> Callable[..., Any]:
    """The vision tower as vLLM has it, with boundaries for a mask."""
    torch = pixtral.torch

    def forward(
        self: Any, pixel_values: list[Any], *, select_layers: Any = None, feature_select_strategy: Any = None
    ) -> tuple[Any, ...]:
        embedded = [self.patch_conv(image.unsqueeze(0).to(self.dtype)) for image in pixel_values]
        sequences = [image.flatten(2).permute(0, 2, 1) for image in embedded]
        sizes = [sequence.shape[1] for sequence in sequences]
        patches = self.ln_pre(torch.cat(sequences, dim=1))
        positions = pixtral.position_ids_in_meshgrid(
            embedded, max_width=self.config.image_size // self.config.patch_size
        ).to(self.device)
        out = self.transformer(
            patches,
            boundaries(torch, sizes, patches.device),
            self.patch_positional_embedding(patches, positions),
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

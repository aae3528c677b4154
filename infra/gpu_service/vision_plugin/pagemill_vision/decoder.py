"""The decoder's attention, with the norms and the rotation of queries and keys in one kernel instead of four.

vLLM has this kernel, but uses it only if torch.compile finds the pattern, and we start vLLM without torch.compile.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def attention_forward() -> Callable[..., Any]:
    """The attention of one layer of Qwen3."""
    ops = import_module("vllm._custom_ops")

    def forward(self: Any, positions: Any, hidden_states: Any) -> Any:
        qkv, _ = self.qkv_proj(hidden_states)
        ops.fused_qk_norm_rope(  # in place
            qkv,
            self.num_heads,
            self.num_kv_heads,
            self.num_kv_heads,
            self.head_dim,
            self.q_norm.variance_epsilon,
            self.q_norm.weight,
            self.k_norm.weight,
            self.rotary_emb._match_cos_sin_cache_dtype(qkv),  # noqa: SLF001 -- as its own forward does
            self.rotary_emb.is_neox_style,
            positions.view(-1),
        )
        q, k, v = qkv.split([self.q_size, self.kv_size, self.kv_size], dim=-1)
        projected, _ = self.o_proj(self.attn(q, k, v))
        return projected

    return forward

from __future__ import annotations

import types
from typing import Any

import pytest
import torch
from pagemill_vision import decoder
from vllm import _custom_ops
from vllm.model_executor.layers.layernorm import RMSNorm
from vllm.model_executor.layers.rotary_embedding import get_rope
from vllm.model_executor.models.qwen3 import Qwen3Attention

_HEADS, _KV_HEADS, _HEAD, _HIDDEN, _TOKENS = 4, 2, 64, 128, 7


def fused_qk_norm_rope(  # noqa: PLR0917 -- the kernel's own order
    qkv: torch.Tensor,
    heads: int,
    key_heads: int,
    value_heads: int,
    head: int,
    eps: float,
    q_weight: torch.Tensor,
    k_weight: torch.Tensor,
    table: torch.Tensor,
    is_neox: bool,  # noqa: FBT001
    positions: torch.Tensor,
) -> None:
    """What vLLM's kernel does, which a CPU has not: norm, then rotation, of queries and keys, in place."""
    assert is_neox
    assert qkv.shape[1] == (heads + key_heads + value_heads) * head
    parts = qkv.view(len(qkv), -1, head)
    cos, sin = table[positions].unsqueeze(1).chunk(2, dim=-1)
    for begin, end, weight in ((0, heads, q_weight), (heads, heads + key_heads, k_weight)):
        part = parts[:, begin:end]
        normed = part * torch.rsqrt(part.pow(2).mean(-1, keepdim=True) + eps) * weight
        left, right = normed.chunk(2, dim=-1)
        part.copy_(torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1))


def _attention() -> Any:
    """What the forward uses of an attention, whose own part passes on what it is given."""
    queries, keys = _HEADS * _HEAD, _KV_HEADS * _HEAD
    qkv, out = torch.randn(_HIDDEN, queries + 2 * keys), torch.randn(queries + 2 * keys, _HIDDEN)
    norms = RMSNorm(_HEAD, eps=1e-6), RMSNorm(_HEAD, eps=1e-6)
    for norm in norms:
        norm.weight.data.normal_(1.0, 0.1)
    return types.SimpleNamespace(
        num_heads=_HEADS,
        num_kv_heads=_KV_HEADS,
        head_dim=_HEAD,
        q_size=queries,
        kv_size=keys,
        qkv_proj=lambda hidden: (hidden @ qkv, None),
        q_norm=norms[0],
        k_norm=norms[1],
        rotary_emb=get_rope(_HEAD, max_position=64, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
        attn=lambda q, k, v: torch.cat((q, k, v), dim=-1),
        o_proj=lambda attended: (attended @ out, None),
    )


@pytest.mark.usefixtures("vllm_config")
def test_norms_and_rotation_in_one_are_what_vllm_does_in_four(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(_custom_ops, "fused_qk_norm_rope", fused_qk_norm_rope)
    attention, hidden, positions = _attention(), torch.randn(_TOKENS, _HIDDEN), torch.arange(_TOKENS)

    stock = Qwen3Attention.forward(attention, positions, hidden)
    ours = decoder.attention_forward()(attention, positions, hidden)

    torch.testing.assert_close(ours, stock, rtol=1e-4, atol=1e-4)

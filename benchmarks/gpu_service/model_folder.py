"""Makes a model folder with LightOnOCR-2-1B's architecture, for machines that cannot have its weights.

`python3 -m benchmarks.gpu_service.model_folder FOLDER [--weights]`; needs what vLLM brings (tokenizers, safetensors,
torch). Without --weights it is for `--load-format dummy`; with them there are 2 GB of random numbers to load. Neither
changes what a page costs; the text means nothing. The tokenizer has as many tokens as the real one: letters that stand
for bytes, then words of four letters.
"""

from __future__ import annotations

import argparse
import itertools
import json
import string
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_WORDS = 151_643  # tokens before the special ones
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_END, _IM_END, _IMAGE = (_WORDS + _SPECIAL.index(name) for name in ("<|endoftext|>", "<|im_end|>", "<|image_pad|>"))
_VISION = {"hidden": 1024, "intermediate": 4096, "layers": 24, "heads": 16, "patch": 14, "edge": 1540}
_TEXT = {"hidden": 1024, "intermediate": 3072, "layers": 28, "heads": 16, "kv_heads": 8, "head": 128, "tokens": 151_936}
_MERGE = 2  # patches of a side that become one token

CONFIG: dict[str, Any] = {
    "architectures": ["LightOnOCRForConditionalGeneration"],
    "model_type": "mistral3",
    "dtype": "bfloat16",
    "image_token_id": _IMAGE,
    "eos_token_id": _IM_END,
    "pad_token_id": _END,
    "multimodal_projector_bias": False,
    "projector_hidden_act": "gelu",
    "spatial_merge_size": _MERGE,
    "vision_feature_layer": -1,
    "text_config": {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "attention_bias": False,
        "head_dim": _TEXT["head"],
        "hidden_act": "silu",
        "hidden_size": _TEXT["hidden"],
        "intermediate_size": _TEXT["intermediate"],
        "layer_types": ["full_attention"] * _TEXT["layers"],
        "max_position_embeddings": 16384,
        "num_attention_heads": _TEXT["heads"],
        "num_hidden_layers": _TEXT["layers"],
        "num_key_value_heads": _TEXT["kv_heads"],
        "rms_norm_eps": 1e-6,
        "rope_scaling": None,
        "rope_theta": 1_000_000,
        "tie_word_embeddings": True,
        "vocab_size": _TEXT["tokens"],
    },
    "vision_config": {
        "model_type": "pixtral",
        "head_dim": _VISION["hidden"] // _VISION["heads"],
        "hidden_act": "silu",
        "hidden_size": _VISION["hidden"],
        "image_size": _VISION["edge"],
        "intermediate_size": _VISION["intermediate"],
        "num_attention_heads": _VISION["heads"],
        "num_channels": 3,
        "num_hidden_layers": _VISION["layers"],
        "patch_size": _VISION["patch"],
        "rope_theta": 10_000,
    },
}
_FILES: dict[str, dict[str, Any]] = {
    "config.json": CONFIG,
    "generation_config.json": {"eos_token_id": [_IM_END, _END], "pad_token_id": _END},
    "preprocessor_config.json": {
        "image_processor_type": "PixtralImageProcessorFast",
        "processor_class": "PixtralProcessor",
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "patch_size": _VISION["patch"],
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": _VISION["edge"]},
    },
    "processor_config.json": {
        "processor_class": "PixtralProcessor",
        "image_token": "<|image_pad|>",
        "image_break_token": "<|vision_pad|>",
        "image_end_token": "<|vision_end|>",
        "patch_size": _VISION["patch"],
        "spatial_merge_size": _MERGE,
    },
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": "PixtralProcessor",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": list(_SPECIAL),
        "model_max_length": 131_072,
        "clean_up_tokenization_spaces": False,
    },
}
_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message.role != 'system' %}<|im_start|>system<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type in ('image', 'image_url') %}<|image_pad|>{% elif 'text' in part %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every weight, as LightOnOCR's file has them."""
    vision, wide, edge = "model.vision_encoder", _VISION["hidden"], _VISION["patch"]
    yield f"{vision}.patch_conv.weight", (wide, 3, edge, edge)
    yield f"{vision}.ln_pre.weight", (wide,)
    for layer in (f"{vision}.transformer.layers.{number}" for number in range(_VISION["layers"])):
        yield from ((f"{layer}.attention.{part}_proj.weight", (wide, wide)) for part in "qkvo")
        yield from _feed_forward(f"{layer}.feed_forward", wide, _VISION["intermediate"])
        yield from ((f"{layer}.{norm}.weight", (wide,)) for norm in ("attention_norm", "ffn_norm"))
    projection, hidden = "model.vision_projection", _TEXT["hidden"]
    yield f"{projection}.norm.weight", (wide,)
    yield f"{projection}.patch_merger.merging_layer.weight", (wide, wide * _MERGE**2)
    yield f"{projection}.linear_1.weight", (hidden, wide)
    yield f"{projection}.linear_2.weight", (hidden, hidden)
    text = "model.language_model"
    yield f"{text}.embed_tokens.weight", (_TEXT["tokens"], hidden)
    yield f"{text}.norm.weight", (hidden,)
    queries, keys = _TEXT["heads"] * _TEXT["head"], _TEXT["kv_heads"] * _TEXT["head"]
    for layer in (f"{text}.layers.{number}" for number in range(_TEXT["layers"])):
        yield from (
            (f"{layer}.self_attn.{p}_proj.weight", (n, hidden)) for p, n in (("q", queries), ("k", keys), ("v", keys))
        )
        yield f"{layer}.self_attn.o_proj.weight", (hidden, queries)
        yield from ((f"{layer}.self_attn.{norm}.weight", (_TEXT["head"],)) for norm in ("q_norm", "k_norm"))
        yield from _feed_forward(f"{layer}.mlp", hidden, _TEXT["intermediate"])
        yield from ((f"{layer}.{norm}.weight", (hidden,)) for norm in ("input_layernorm", "post_attention_layernorm"))


def _feed_forward(name: str, hidden: int, intermediate: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.gate_proj.weight", (intermediate, hidden)
    yield f"{name}.up_proj.weight", (intermediate, hidden)
    yield f"{name}.down_proj.weight", (hidden, intermediate)


def write_tokenizer(path: Path) -> None:
    """A tokenizer of the real one's size."""
    tokenizers = import_module("tokenizers")
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = ("\u0120" + "".join(word) for word in itertools.product(string.ascii_lowercase, repeat=4))
    names = [*letters, *itertools.islice(words, _WORDS - len(letters))]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    added = [tokenizers.AddedToken(name, special=True, normalized=False) for name in _SPECIAL]
    tokenizer.add_special_tokens(added)
    tokenizer.save(str(path))


def write_weights(path: Path) -> None:
    """Random weights of the real shapes, 2 GB in bfloat16."""
    torch, safetensors = import_module("torch"), import_module("safetensors.torch")
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    weights = {
        name: torch.ones(shape, dtype=torch.bfloat16)
        if len(shape) == 1
        else (torch.randn(shape, device=device) * 0.02).to(torch.bfloat16).cpu()
        for name, shape in shapes()
    }
    safetensors.save_file(weights, path, metadata={"format": "pt"})


def write(folder: Path, *, weights: bool = False) -> None:
    """Write the folder's files, with or without weights."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _FILES.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    write_tokenizer(folder / "tokenizer.json")
    if weights:
        write_weights(folder / "model.safetensors")


def main() -> int:
    """Write the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", action="store_true", help="also model.safetensors")
    options = parser.parse_args()
    write(options.folder, weights=options.weights)
    return 0


if __name__ == "__main__":
    sys.exit(main())

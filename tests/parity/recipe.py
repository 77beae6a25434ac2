"""Tiny random Gemma 4 checkpoints by recipe, so that only the reference's outputs are stored.

A checkpoint is a config.json in the published dialect and one array for each tensor name, drawn
from a seed that is the hash of the name. Both sides of the comparison write the same folder from
it: the script that asked the reference, and the tests. The draws use the raw stream of PCG64
alone, which numpy keeps stable between versions.

The scales are chosen so that errors show: attention tells its keys apart, logits reach into the
soft-cap, many clip bounds are narrow enough to bite, position tables and the pad row of the
per-layer table are as random as everything else. They must not amplify rounding either: with
attention half as peaked again, the reference itself differs by 8e-4 between two of its own
implementations of attention.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.parity.configs import CONFIGS, KEEPS_DEAD_KV

Shapes = Iterator[tuple[str, tuple[int, ...]]]

SQRT_3 = 3.0**0.5
"""A uniform draw in -sqrt(3)..sqrt(3) has variance 1."""

SOFT_ROW_SCALE = 0.05
"""Embedding rows of the soft-token ids: small, so that greedy decoding never picks one."""


def uniform(seed: str, shape: tuple[int, ...]) -> np.ndarray:
    """Doubles in 0..1 of the given shape, the same on every machine."""
    digest = hashlib.sha256(seed.encode()).digest()
    stream = np.random.PCG64(int.from_bytes(digest[:16], "little"))
    raw = stream.random_raw(int(np.prod(shape, dtype=np.int64)))
    return ((raw >> np.uint64(11)) * 2.0**-53).reshape(shape)


def unit(seed: str, shape: tuple[int, ...]) -> np.ndarray:
    """Doubles of mean 0 and variance 1."""
    return (2.0 * uniform(seed, shape) - 1.0) * SQRT_3


def tensor(checkpoint: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The values of one tensor, float32, by the first rule that fits its name."""
    seed = f"{checkpoint}/{name}"
    if name.endswith(("_min", "_max")):
        bound = 0.7 * 9.0 ** uniform(seed, shape)
        return np.float32(-bound if name.endswith("_min") else bound)
    if name.endswith("layer_scalar"):
        return np.float32(0.5 + 0.5 * uniform(seed, shape))
    offset, scale = _offset_and_scale(name, shape)
    values = offset + scale * unit(seed, shape)
    if name.endswith("embed_tokens.weight"):
        config = CONFIGS[checkpoint]
        soft = [config[f"{kind}_token_id"] for kind in ("image", "audio", "video")]
        values[soft] *= SOFT_ROW_SCALE
    return values.astype(np.float32)


def _offset_and_scale(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Where the values of a tensor lie and how far they spread."""
    if re.search(r"(encoder|language_model)\.layers.*\.[qk]_norm\.weight$", name):
        balanced = shape[0] ** -0.25  # the attention scale is 1.0: logits of variance 1
        return balanced, 0.25 * balanced
    if name == "model.language_model.norm.weight":
        return 4.0, 1.0  # logits of several units, into the soft-cap
    if re.search(r"(norm|layernorm_\d)\.weight$|router\.scale$|per_expert_scale$|std_scale$", name):
        return 1.0, 0.25
    if name.endswith(("position_embedding_table", "per_dim_scale", "bias")):
        return 0.0, 0.5
    if name.endswith("embed_tokens_per_layer.weight"):
        return 0.0, 0.25
    if ".experts." in name:
        return 0.0, shape[-1] ** -0.5
    fan_in = int(np.prod(shape[1:]))
    return 0.0, fan_in**-0.5


def shapes(checkpoint: str) -> Shapes:
    """Every tensor's name and shape, as on the hub."""
    config = CONFIGS[checkpoint]
    text, vision, audio = (config[f"{part}_config"] for part in ("text", "vision", "audio"))
    hidden = text["hidden_size"]
    yield from _text_shapes(text, dead_kv=checkpoint in KEEPS_DEAD_KV)
    yield from _vision_shapes(vision)
    yield "model.embed_vision.embedding_projection.weight", (hidden, vision["hidden_size"])
    if audio is not None:
        yield from _audio_shapes(audio)
        yield "model.embed_audio.embedding_projection.weight", (hidden, audio["output_proj_dims"])


def _text_shapes(config: dict[str, Any], *, dead_kv: bool) -> Shapes:
    root = "model.language_model"
    vocabulary, hidden = config["vocab_size"], config["hidden_size"]
    layers, ple = config["num_hidden_layers"], config["hidden_size_per_layer_input"]
    yield f"{root}.embed_tokens.weight", (vocabulary, hidden)
    yield f"{root}.norm.weight", (hidden,)
    if ple:
        yield f"{root}.embed_tokens_per_layer.weight", (vocabulary, layers * ple)
        yield f"{root}.per_layer_model_projection.weight", (layers * ple, hidden)
        yield f"{root}.per_layer_projection_norm.weight", (ple,)
    for index in range(layers):
        for name, shape in _text_layer_shapes(config, index, dead_kv=dead_kv):
            yield f"{root}.layers.{index}.{name}", shape


def _text_layer_shapes(config: dict[str, Any], index: int, *, dead_kv: bool) -> Shapes:
    hidden, ple = config["hidden_size"], config["hidden_size_per_layer_input"]
    is_full = config["layer_types"][index] == "full_attention"
    is_shared = index >= config["num_hidden_layers"] - config["num_kv_shared_layers"]
    head_dim = config["global_head_dim" if is_full else "head_dim"]
    queries = config["num_attention_heads"] * head_dim
    width = config["intermediate_size"] * (1 + (is_shared and config["use_double_wide_mlp"]))
    yield "layer_scalar", (1,)
    for norm in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
        yield f"{norm}_layernorm.weight", (hidden,)
    if ple:
        yield "post_per_layer_input_norm.weight", (hidden,)
        yield "per_layer_input_gate.weight", (ple, hidden)
        yield "per_layer_projection.weight", (hidden, ple)
    if config["enable_moe_block"]:
        yield from _expert_shapes(config)
    yield "mlp.gate_proj.weight", (width, hidden)
    yield "mlp.up_proj.weight", (width, hidden)
    yield "mlp.down_proj.weight", (hidden, width)
    yield "self_attn.q_proj.weight", (queries, hidden)
    yield "self_attn.o_proj.weight", (hidden, queries)
    yield "self_attn.q_norm.weight", (head_dim,)
    if not is_shared or dead_kv:
        key_is_value = is_full and config["attention_k_eq_v"]
        heads = config["num_global_key_value_heads" if key_is_value else "num_key_value_heads"]
        yield "self_attn.k_norm.weight", (head_dim,)
        yield "self_attn.k_proj.weight", (heads * head_dim, hidden)
        if not key_is_value:
            yield "self_attn.v_proj.weight", (heads * head_dim, hidden)


def _expert_shapes(config: dict[str, Any]) -> Shapes:
    hidden, count = config["hidden_size"], config["num_experts"]
    width = config["moe_intermediate_size"]
    yield "router.proj.weight", (count, hidden)
    yield "router.scale", (hidden,)
    yield "router.per_expert_scale", (count,)
    yield "experts.gate_up_proj", (count, 2 * width, hidden)
    yield "experts.down_proj", (count, hidden, width)
    for norm in ("pre_feedforward_layernorm_2", "post_feedforward_layernorm_1"):
        yield f"{norm}.weight", (hidden,)
    yield "post_feedforward_layernorm_2.weight", (hidden,)


def _clipped(name: str, outputs: int, inputs: int, *, clipped: bool = True) -> Shapes:
    """A linear of the towers with its four clip bounds, where it has them."""
    yield f"{name}.linear.weight", (outputs, inputs)
    if not clipped:
        return
    for bound in ("input_min", "input_max", "output_min", "output_max"):
        yield f"{name}.{bound}", ()


def _vision_shapes(config: dict[str, Any]) -> Shapes:
    root, hidden = "model.vision_tower", config["hidden_size"]
    table = (2, config["position_embedding_size"], hidden)
    yield f"{root}.patch_embedder.input_proj.weight", (hidden, 3 * config["patch_size"] ** 2)
    yield f"{root}.patch_embedder.position_embedding_table", table
    width, head_dim = config["intermediate_size"], config["head_dim"]
    attended = config["num_attention_heads"] * head_dim
    for index in range(config["num_hidden_layers"]):
        layer = f"{root}.encoder.layers.{index}"
        for norm in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            yield f"{layer}.{norm}_layernorm.weight", (hidden,)
        yield f"{layer}.self_attn.q_norm.weight", (head_dim,)
        yield f"{layer}.self_attn.k_norm.weight", (head_dim,)
        for name, outputs, inputs in (
            ("self_attn.q_proj", attended, hidden),
            ("self_attn.k_proj", attended, hidden),
            ("self_attn.v_proj", attended, hidden),
            ("self_attn.o_proj", hidden, attended),
            ("mlp.gate_proj", width, hidden),
            ("mlp.up_proj", width, hidden),
            ("mlp.down_proj", hidden, width),
        ):
            clipped = config["use_clipped_linears"]
            yield from _clipped(f"{layer}.{name}", outputs, inputs, clipped=clipped)
    if config["standardize"]:
        yield f"{root}.std_bias", (hidden,)
        yield f"{root}.std_scale", (hidden,)


def _audio_shapes(config: dict[str, Any]) -> Shapes:
    root, hidden = "model.audio_tower", config["hidden_size"]
    first, second = config["subsampling_conv_channels"]
    convs = f"{root}.subsample_conv_projection"
    yield f"{convs}.layer0.conv.weight", (first, 1, 3, 3)
    yield f"{convs}.layer0.norm.weight", (first,)
    yield f"{convs}.layer1.conv.weight", (second, first, 3, 3)
    yield f"{convs}.layer1.norm.weight", (second,)
    yield f"{convs}.input_proj_linear.weight", (hidden, first // 4 * second)
    yield f"{root}.output_proj.weight", (config["output_proj_dims"], hidden)
    yield f"{root}.output_proj.bias", (config["output_proj_dims"],)
    for index in range(config["num_hidden_layers"]):
        for name, shape in _conformer_shapes(config):
            yield f"{root}.layers.{index}.{name}", shape


def _conformer_shapes(config: dict[str, Any]) -> Shapes:
    hidden = config["hidden_size"]
    for norm in ("norm_pre_attn", "norm_post_attn", "norm_out"):
        yield f"{norm}.weight", (hidden,)
    for half in ("feed_forward1", "feed_forward2"):
        yield f"{half}.pre_layer_norm.weight", (hidden,)
        yield f"{half}.post_layer_norm.weight", (hidden,)
        yield from _clipped(f"{half}.ffw_layer_1", 4 * hidden, hidden)
        yield from _clipped(f"{half}.ffw_layer_2", hidden, 4 * hidden)
    for projection in ("q_proj", "k_proj", "v_proj", "post"):
        yield from _clipped(f"self_attn.{projection}", hidden, hidden)
    yield "self_attn.relative_k_proj.weight", (hidden, hidden)
    yield "self_attn.per_dim_scale", (hidden // config["num_attention_heads"],)
    yield "lconv1d.pre_layer_norm.weight", (hidden,)
    yield "lconv1d.conv_norm.weight", (hidden,)
    yield "lconv1d.depthwise_conv1d.weight", (hidden, 1, config["conv_kernel_size"])
    yield from _clipped("lconv1d.linear_start", 2 * hidden, hidden)
    yield from _clipped("lconv1d.linear_end", hidden, hidden)


def write_checkpoint(folder: Path, checkpoint: str) -> Path:
    """Write config.json and model.safetensors of one recipe; returns the folder."""
    config = CONFIGS[checkpoint]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(_safetensors(checkpoint))
    return folder


def fingerprint(checkpoint: str) -> str:
    """The hash of all weights: goldens of another recipe compare nothing."""
    return hashlib.sha256(_safetensors(checkpoint)).hexdigest()


def _safetensors(checkpoint: str) -> bytes:
    """The file as the format lays it out: length of the header, header, raw values."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    chunks: list[bytes] = []
    end = 0
    for name, shape in sorted(shapes(checkpoint)):
        chunks.append(tensor(checkpoint, name, shape).astype("<f4").tobytes())
        start, end = end, end + len(chunks[-1])
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(chunks)

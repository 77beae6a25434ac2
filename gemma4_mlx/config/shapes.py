"""Names and shapes of all parameters, from the config alone.

What the planner and the converter know of a model without building it. The model itself is the
proof: its parameters have exactly these.
"""

from __future__ import annotations

from collections.abc import Iterator

from gemma4_mlx.config.model import ModelConfig
from gemma4_mlx.config.text import LayerSpec, TextConfig
from gemma4_mlx.config.towers import AudioConfig, VisionConfig

Shape = tuple[int, ...]
_Named = Iterator[tuple[str, Shape]]

TEXT = "language_model.model"
PER_LAYER_TABLE = f"{TEXT}.embed_tokens_per_layer"
"""Path of the table of per-layer embeddings, the largest tensor of the small variants."""


def parameter_shapes(config: ModelConfig) -> dict[str, Shape]:
    """The shape of every parameter of a model that is not packed, by its path."""
    shapes = dict(_decoder(config.text_config))
    hidden = config.text_config.hidden_size
    if config.vision_config is not None:
        shapes.update(_vision(config.vision_config))
        shapes["embed_vision.embedding_projection.weight"] = (
            hidden,
            config.vision_config.hidden_size,
        )
    if config.audio_config is not None:
        shapes.update(_audio(config.audio_config))
        shapes["embed_audio.embedding_projection.weight"] = (
            hidden,
            config.audio_config.output_proj_dims,
        )
    return shapes


def _decoder(config: TextConfig) -> _Named:
    hidden, width = config.hidden_size, config.hidden_size_per_layer_input
    yield f"{TEXT}.embed_tokens.weight", (config.vocab_size, hidden)
    if width:
        packed = config.num_hidden_layers * width
        rows = config.vocab_size_per_layer_input or config.vocab_size
        yield f"{PER_LAYER_TABLE}.weight", (rows, packed)
        yield f"{TEXT}.per_layer_model_projection.weight", (packed, hidden)
        yield f"{TEXT}.per_layer_projection_norm.weight", (width,)
    for spec in config.layers:
        for name, shape in _layer(config, spec):
            yield f"{TEXT}.layers.{spec.index}.{name}", shape
    yield f"{TEXT}.norm.weight", (hidden,)


def _layer(config: TextConfig, spec: LayerSpec) -> _Named:
    hidden, width = config.hidden_size, config.hidden_size_per_layer_input
    yield from _attention(config, spec)
    yield from _gated_mlp("mlp", hidden, spec.intermediate_size)
    norms = ["input", "post_attention", "pre_feedforward", "post_feedforward"]
    yield from ((f"{norm}_layernorm.weight", (hidden,)) for norm in norms)
    yield "layer_scalar", (1,)
    if width:
        yield "per_layer_input_gate.weight", (width, hidden)
        yield "per_layer_projection.weight", (hidden, width)
        yield "post_per_layer_input_norm.weight", (hidden,)
    if config.experts is not None:
        count = config.experts.count
        yield "router.proj.weight", (count, hidden)
        yield "router.scale", (hidden,)
        yield "router.per_expert_scale", (count,)
        for name, shape in _gated_mlp(
            "experts.switch_glu", hidden, config.experts.intermediate_size
        ):
            yield name, (count, *shape)
        norms = ["post_feedforward_layernorm_1", "pre_feedforward_layernorm_2"]
        norms.append("post_feedforward_layernorm_2")
        yield from ((f"{norm}.weight", (hidden,)) for norm in norms)


def _attention(config: TextConfig, spec: LayerSpec) -> _Named:
    hidden = config.hidden_size
    query_dims = config.num_attention_heads * spec.head_dim
    kv_dims = spec.num_key_value_heads * spec.head_dim
    yield "self_attn.q_proj.weight", (query_dims, hidden)
    yield "self_attn.q_norm.weight", (spec.head_dim,)
    yield "self_attn.o_proj.weight", (hidden, query_dims)
    if spec.owns_kv:
        yield "self_attn.k_proj.weight", (kv_dims, hidden)
        yield "self_attn.k_norm.weight", (spec.head_dim,)
        if not spec.k_eq_v:
            yield "self_attn.v_proj.weight", (kv_dims, hidden)


def _gated_mlp(name: str, hidden: int, width: int) -> _Named:
    yield f"{name}.gate_proj.weight", (width, hidden)
    yield f"{name}.up_proj.weight", (width, hidden)
    yield f"{name}.down_proj.weight", (hidden, width)


def _clipped(name: str, shape: Shape, bounds: bool) -> _Named:
    """A clipped linear layer: its weight and its four bounds."""
    yield f"{name}.linear.weight", shape
    if bounds:
        for side in ("input_min", "input_max", "output_min", "output_max"):
            yield f"{name}.{side}", ()


def _vision(config: VisionConfig) -> _Named:
    hidden = config.hidden_size
    table = (2, config.position_embedding_size, hidden)
    yield "vision_tower.patch_embedder.input_proj.weight", (hidden, 3 * config.patch_size**2)
    yield "vision_tower.patch_embedder.position_embedding_table", table
    for index in range(config.num_hidden_layers):
        for name, shape in _vision_layer(config):
            yield f"vision_tower.encoder.layers.{index}.{name}", shape
    if config.standardize:
        yield "vision_tower.std_bias", (hidden,)
        yield "vision_tower.std_scale", (hidden,)


def _vision_layer(config: VisionConfig) -> _Named:
    hidden, bounds = config.hidden_size, config.use_clipped_linears
    query_dims = config.num_attention_heads * config.head_dim
    kv_dims = config.num_key_value_heads * config.head_dim
    shapes = {"q": (query_dims, hidden), "k": (kv_dims, hidden), "v": (kv_dims, hidden)}
    for letter, shape in {**shapes, "o": (hidden, query_dims)}.items():
        yield from _clipped(f"self_attn.{letter}_proj", shape, bounds)
    yield "self_attn.q_norm.weight", (config.head_dim,)
    yield "self_attn.k_norm.weight", (config.head_dim,)
    for name, shape in _gated_mlp("mlp", hidden, config.intermediate_size):
        yield from _clipped(name.removesuffix(".weight"), shape, bounds)
    norms = ["input", "post_attention", "pre_feedforward", "post_feedforward"]
    yield from ((f"{norm}_layernorm.weight", (hidden,)) for norm in norms)


def _audio(config: AudioConfig) -> _Named:
    hidden, convs = config.hidden_size, "audio_tower.subsample_conv_projection"
    first, second = config.subsampling_conv_channels
    for layer, (out, channels) in enumerate(((first, 1), (second, first))):
        yield f"{convs}.layer{layer}.conv.weight", (out, 3, 3, channels)
        yield f"{convs}.layer{layer}.norm.weight", (out,)
    yield f"{convs}.input_proj_linear.weight", (hidden, first // 4 * second)
    for index in range(config.num_hidden_layers):
        for name, shape in _conformer_layer(config):
            yield f"audio_tower.layers.{index}.{name}", shape
    yield "audio_tower.output_proj.weight", (config.output_proj_dims, hidden)
    yield "audio_tower.output_proj.bias", (config.output_proj_dims,)


def _conformer_layer(config: AudioConfig) -> _Named:
    hidden, bounds = config.hidden_size, config.use_clipped_linears
    for half in ("feed_forward1", "feed_forward2"):
        yield from _clipped(f"{half}.ffw_layer_1", (4 * hidden, hidden), bounds)
        yield from _clipped(f"{half}.ffw_layer_2", (hidden, 4 * hidden), bounds)
        yield f"{half}.pre_layer_norm.weight", (hidden,)
        yield f"{half}.post_layer_norm.weight", (hidden,)
    for name in ("q_proj", "k_proj", "v_proj", "post"):
        yield from _clipped(f"self_attn.{name}", (hidden, hidden), bounds)
    yield "self_attn.relative_k_proj.weight", (hidden, hidden)
    yield "self_attn.per_dim_scale", (hidden // config.num_attention_heads,)
    yield from _clipped("lconv1d.linear_start", (2 * hidden, hidden), bounds)
    yield from _clipped("lconv1d.linear_end", (hidden, hidden), bounds)
    yield "lconv1d.depthwise_conv1d.weight", (hidden, config.conv_kernel_size, 1)
    yield "lconv1d.pre_layer_norm.weight", (hidden,)
    yield "lconv1d.conv_norm.weight", (hidden,)
    for norm in ("norm_pre_attn", "norm_post_attn", "norm_out"):
        yield f"{norm}.weight", (hidden,)

"""What comes and goes while a model reads: activations, attention scores, media, logits.

Counted for the moment that takes most. Layers run one after the other, so that only one of them
counts; the parts of a layer, too: attention, then the MLP, then the experts. Sizes are those of
the arrays that the code makes. Of some there are several at once, more on the CPU backend, which
fuses nothing; how many was measured there, and counted from the code for the GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gemma4_mlx.config import AudioConfig, LayerSpec, ModelConfig, TextConfig, VisionConfig
from gemma4_mlx.kv_format import KVFormat, cache_bytes, row_bytes, rows_held
from gemma4_mlx.limits import (
    FUSED_HEAD_DIMS,
    RUN_AHEAD_BYTES,
    SCORE_BYTES,
    SCORE_COPIES,
    block_rows,
    score_bytes,
)

CLIP_FRAMES, MEL_BINS = 3000, 128
"""Log-mel frames of the longest clip (30 s), and their width."""

_WIDE = 4  # bytes of a float32
_TOKEN_FRAMES = 4  # log-mel frames of a soft token
_GPU_QUERIES, _CPU_QUERIES = 3, 7  # arrays of all queries, while norm and rope make them
_GPU_HIDDEN, _CPU_HIDDEN = 3, 5  # arrays of the MLP's width


@dataclass(frozen=True, slots=True)
class Reading:
    """One pass over a prompt.

    Attributes:
        context: positions that there are at its end.
        new: of which so many are new.
        chunk: the most that are read at once.
        item_bytes: of an activation.
        kv: how full layers keep keys and values.
    """

    context: int
    new: int
    chunk: int
    item_bytes: int
    kv: KVFormat = field(default_factory=KVFormat)

    @property
    def rows(self) -> int:
        """Positions read at once."""
        return min(self.chunk, self.new)


def prefill_bytes(config: TextConfig, reading: Reading) -> int:
    """The most that reading a prompt takes beside weights and caches."""
    item, rows = reading.item_bytes, reading.rows
    prompt = reading.new * config.hidden_size * item
    small = rows * config.num_hidden_layers * config.hidden_size_per_layer_input * item
    stream = 3 * rows * config.hidden_size * item
    layers = (layer for layer in config.layers if layer.owns_kv)
    stages = [3 * small, *(_layer_bytes(config, layer, reading) for layer in layers)]
    return prompt + small + stream + max(stages)


def decode_bytes(config: TextConfig, reading: Reading) -> int:
    """What writing takes: the logits of a row, and caches that a step under way still holds."""
    held = cache_bytes(config, reading.context, reading.item_bytes, reading.kv)
    ahead = min(held, RUN_AHEAD_BYTES)
    return ahead + 3 * config.vocab_size * _WIDE


def largest_array_bytes(config: TextConfig, reading: Reading) -> int:
    """The largest single array that reading a prompt makes; weights are not counted."""
    item, rows = reading.item_bytes, reading.rows
    widest = max(layer.intermediate_size for layer in config.layers)
    caches = (
        rows_held(reading.context, layer.window) * row_bytes(layer, item, reading.kv) // 2
        for layer in config.layers
        if layer.owns_kv
    )
    row = config.num_attention_heads * reading.context * _WIDE  # of scores
    arrays = [
        rows * widest * item,
        rows * config.num_hidden_layers * config.hidden_size_per_layer_input * item,
        min(rows * row, max(SCORE_BYTES, row)),
        *caches,
    ]
    if config.experts is not None:
        arrays.append(rows * config.experts.active * config.hidden_size * _WIDE)
    return max(arrays)


def vision_bytes(config: VisionConfig, image_tokens: int, item_bytes: int) -> int:
    """What encoding a picture takes: its pixels, one layer's activations, attention scores.

    Args:
        config: of the tower.
        image_tokens: soft tokens of the picture.
        item_bytes: of an activation.
    """
    patches = image_tokens * config.pooling_kernel_size**2
    stream = 3 * patches * config.hidden_size * item_bytes
    heads = config.num_attention_heads * config.head_dim
    attention = 5 * patches * heads * item_bytes
    if item_bytes == _WIDE or config.head_dim not in FUSED_HEAD_DIMS:
        attention += _score_bytes(config.num_attention_heads, patches, patches, item_bytes)
    mlp = 3 * patches * config.intermediate_size * item_bytes
    return 2 * pixel_bytes(config, image_tokens) + stream + max(attention, mlp)


def pixel_bytes(config: VisionConfig, image_tokens: int) -> int:
    """A picture as the processor hands it over, float32."""
    return image_tokens * config.pooling_kernel_size**2 * 3 * config.patch_size**2 * _WIDE


def feature_bytes(clip_tokens: int) -> int:
    """A clip of so many soft tokens as the processor hands it over, float32."""
    return clip_tokens * _TOKEN_FRAMES * MEL_BINS * _WIDE


def audio_bytes(config: AudioConfig, item_bytes: int) -> int:
    """What encoding a clip of 30 s takes: its two convolutions take most."""
    first, second = config.subsampling_conv_channels
    frames, bins = CLIP_FRAMES // 2, MEL_BINS // 2
    before = frames * bins * first * item_bytes
    after = frames // 2 * bins // 2 * (second + 9 * first) * item_bytes
    rows = frames // 2
    conformer = 8 * rows * 4 * config.hidden_size * _WIDE
    return max(3 * before, before + after, conformer)


def media_bytes(
    config: ModelConfig, image_tokens: int, hears: bool, item_bytes: int, *, prepared_bytes: int = 0
) -> int:
    """The most that encoding one picture, or one clip, takes.

    `prepared_bytes` are those of all pictures, frames and clips that there are meanwhile.
    """
    vision, audio = config.vision_config, config.audio_config
    sizes = [0]
    if vision is not None and image_tokens:
        sizes.append(vision_bytes(vision, image_tokens, item_bytes))
    if audio is not None and hears:
        sizes.append(audio_bytes(audio, item_bytes))
    here = pixel_bytes(vision, image_tokens) if vision is not None else 0
    return max(sizes) + max(0, prepared_bytes - here)


def _layer_bytes(config: TextConfig, layer: LayerSpec, reading: Reading) -> int:
    item, rows = reading.item_bytes, reading.rows
    copies = _CPU_HIDDEN if item == _WIDE else _GPU_HIDDEN
    mlp = copies * rows * layer.intermediate_size * item
    if config.experts is not None:
        # Products are weighted in float32, sorted and back in order.
        wide = rows * config.experts.active * config.hidden_size * _WIDE
        mlp = max(mlp, 3 * wide)
    return max(mlp, _attention_bytes(config, layer, reading))


def _attention_bytes(config: TextConfig, layer: LayerSpec, reading: Reading) -> int:
    item, rows, heads = reading.item_bytes, reading.rows, config.num_attention_heads
    keys = reading.context
    if layer.window is not None:
        keys = min(keys, layer.window - 1 + rows)
    queries = rows * heads * layer.head_dim * item
    # A buffer that grows is there twice; so is a window that is put in order.
    moved = keys * row_bytes(layer, item, reading.kv)
    mask = rows * keys if layer.window is not None else 0
    scores = _score_bytes(heads, rows, keys, item)
    made = (_CPU_QUERIES if item == _WIDE else _GPU_QUERIES) * queries
    return moved + mask + max(made, 3 * queries + scores)


def _score_bytes(heads: int, rows: int, keys: int, item_bytes: int) -> int:
    """The most that attention holds in scores; never less for more keys, as whole blocks would."""
    if rows <= block_rows(heads, keys):
        return score_bytes(heads, rows, keys, item_bytes)
    return SCORE_COPIES * max(SCORE_BYTES // _WIDE, heads * keys) * item_bytes

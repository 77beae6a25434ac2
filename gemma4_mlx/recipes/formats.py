"""What follows from the formats of a model: sizes, bits per weight, config.json's block."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from gemma4_mlx.config import ModelConfig, PackedFormat, parameter_shapes
from gemma4_mlx.recipes.recipe import TEXT

Formats = Mapping[str, PackedFormat]
"""Module path (a weight's name without ".weight") -> format; modules not named are not packed."""

_BF16_BYTES = 2


def packed_bytes(
    shape: tuple[int, ...], packed: PackedFormat, scale_item_bytes: int = _BF16_BYTES
) -> int:
    """Bytes of a packed weight with its scales and, where the mode has them, biases.

    Args:
        shape: of the weight that is not packed.
        packed: the format; its groups divide the rows.
        scale_item_bytes: of an affine format's scales and biases, which keep the weight's dtype.
    """
    values = math.prod(shape)
    per_group = 2 * scale_item_bytes if packed.has_biases else 1
    return values * packed.bits // 8 + values // packed.group_size * per_group


def bits_per_weight(config: ModelConfig, formats: Formats, *, text_only: bool = False) -> float:
    """Bits that a weight takes on average, scales and biases included.

    Args:
        config: of the model.
        formats: of its packed modules.
        text_only: whether to leave out the towers and the media projections, which are mostly
            not packed.
    """
    shapes = {
        name.removesuffix(".weight"): shape
        for name, shape in parameter_shapes(config).items()
        if name.startswith(TEXT) or not text_only
    }
    total_bytes = sum(_bytes(shape, formats.get(path)) for path, shape in shapes.items())
    return 8 * total_bytes / sum(map(math.prod, shapes.values()))


def quantization_block(config: ModelConfig, formats: Formats) -> dict[str, Any] | None:
    """The block `quantization` of config.json, as mlx-lm writes and reads it.

    The most common format is the default, all others are overrides by path. What is not packed
    has no scales in the files, which is how every reader knows it.

    Returns:
        None if nothing is packed.
    """
    if not formats:
        return None
    default = Counter(formats.values()).most_common(1)[0][0]
    block: dict[str, Any] = _sizes(default) | {"mode": default.mode}
    for name in parameter_shapes(config):
        path = name.removesuffix(".weight")
        packed = formats.get(path, default)
        if packed != default:
            # Readers take an override without a mode for an affine one.
            is_said = default.mode == packed.mode == "affine"
            block[path] = _sizes(packed) | ({} if is_said else {"mode": packed.mode})
    return block


def with_off_lattice(
    formats: Formats, off_paths: Collection[str], fallback: Formats
) -> dict[str, PackedFormat]:
    """Formats in which some modules take those of another recipe.

    Args:
        formats: of the recipe for weights on the lattice.
        off_paths: modules whose weights are not on it.
        fallback: of the other recipe; what it does not pack is then not packed.
    """
    chosen = {path: fallback.get(path) if path in off_paths else formats[path] for path in formats}
    return {path: packed for path, packed in chosen.items() if packed is not None}


def _bytes(shape: tuple[int, ...], packed: PackedFormat | None) -> int:
    return math.prod(shape) * _BF16_BYTES if packed is None else packed_bytes(shape, packed)


def _sizes(packed: PackedFormat) -> dict[str, int]:
    return {"group_size": packed.group_size, "bits": packed.bits}

"""The quantization block of config.json: which modules are packed, and how. Its word is law.

Reference: mlx-lm `utils.load_model`, which writes and reads the block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gemma4_mlx.config.fields import require
from gemma4_mlx.errors import ConfigError

BLOCK_NAMES = ("quantization", "quantization_config")

# Bits and group sizes that the kernels know, by mode.
_KNOWN: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "affine": ((2, 3, 4, 5, 6, 8), (32, 64, 128)),
    "mxfp4": ((4,), (32,)),
    "nvfp4": ((4,), (16,)),
    "mxfp8": ((8,), (32,)),
}


@dataclass(frozen=True, slots=True)
class PackedFormat:
    """How a weight is packed.

    Attributes:
        group_size: values along a row that share a scale.
        bits: per value.
        mode: "affine" (scale and bias per group), "mxfp4", "nvfp4" or "mxfp8".
    """

    group_size: int
    bits: int
    mode: str = "affine"

    @property
    def has_biases(self) -> bool:
        """Whether each group has a bias beside its scale."""
        return self.mode == "affine"

    @property
    def bits_per_weight(self) -> float:
        """Bits that a value takes, its share of the scales included (scales and biases in 16)."""
        per_group = 32 if self.has_biases else 8
        return self.bits + per_group / self.group_size


@dataclass(frozen=True)
class Quantization:
    """Formats by module path.

    Attributes:
        default: of packed modules that are not named.
        overrides: path -> format, or None for one that must not be packed.
    """

    default: PackedFormat
    overrides: Mapping[str, PackedFormat | None] = field(default_factory=dict)

    def format_of(self, path: str) -> PackedFormat | None:
        """The format that a packed module at `path` has; None if it must not be packed."""
        return self.overrides.get(path, self.default)

    @classmethod
    def from_config(cls, raw: Mapping[str, Any]) -> Quantization | None:
        """Read the block of a config.json; None if there is none.

        Raises:
            ConfigError: it is of another kind, or a format that no kernel knows.
        """
        blocks = {name: raw[name] for name in BLOCK_NAMES if raw.get(name) is not None}
        if not blocks:
            return None
        name, block = next(iter(blocks.items()))
        require(
            all(other == block for other in blocks.values()),
            "quantization and quantization_config contradict each other",
        )
        if not isinstance(block, Mapping) or "bits" not in block:
            method = block.get("quant_method") if isinstance(block, Mapping) else block
            raise ConfigError(
                f"{name} is of the kind {method!r}: expected MLX's own (group_size, bits, mode)",
                "convert the bf16 checkpoint, or take one from mlx-community",
            )
        default = _format(block, name, {})
        overrides = {
            path: _override(value, f"{name}.{path}", default)
            for path, value in block.items()
            if isinstance(value, Mapping | bool) and "." in path
        }
        return cls(default, overrides)


def _override(value: Any, name: str, default: PackedFormat) -> PackedFormat | None:
    if isinstance(value, bool):
        return default if value else None
    # An override that names no mode is affine, as mlx-lm writes and reads it.
    return _format(value, name, {"group_size": default.group_size, "bits": default.bits})


def _format(block: Mapping[str, Any], name: str, defaults: Mapping[str, int]) -> PackedFormat:
    mode = block.get("mode", "affine")
    require(mode in _KNOWN, f"{name}.mode is {mode!r}: expected one of {', '.join(_KNOWN)}")
    sizes = {}
    for key, known in zip(("bits", "group_size"), _KNOWN[mode], strict=True):
        value = block.get(key, defaults.get(key))
        require(
            value in known and not isinstance(value, bool),
            f"{name}.{key} is {value!r}: {mode} knows {', '.join(map(str, known))}",
        )
        sizes[key] = value
    return PackedFormat(mode=mode, **sizes)

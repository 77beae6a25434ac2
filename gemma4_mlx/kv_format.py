"""How keys and values are kept, and what that takes: bytes that follow from numbers alone.

`cache/` allocates by these functions, so that what the planner says is what it will hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemma4_mlx.config import LayerSpec, TextConfig
from gemma4_mlx.errors import UsageError

ROW_STEP = 256
"""Rows by which a cache grows."""

KV_BITS = (8, 4)
"""What keys and values of full layers can be packed to."""


@dataclass(frozen=True, slots=True)
class KVFormat:
    """How the layers that see all positions keep theirs; sliding ones keep the activations' dtype.

    Attributes:
        bits: per number, 8 or 4; None for the activations' dtype.
        folded: where values are keys (26B-A4B, 31B), keep what the two share once: 37.5 % less.
            Not by default: on the CPU backend attention to folded rows takes a quarter longer.
    """

    bits: int | None = None
    folded: bool = False

    def __post_init__(self) -> None:
        if self.bits is not None and self.bits not in KV_BITS:
            raise UsageError(
                f"kv_bits {self.bits!r}: expected 8, 4 or None", "8 is nearly free of error"
            )

    def packs(self, spec: LayerSpec) -> bool:
        """Whether this layer's keys and values are packed to `bits`."""
        return self.bits is not None and spec.window is None

    def folds(self, spec: LayerSpec) -> bool:
        """Whether this layer keeps keys and values in one row."""
        return self.folded and spec.k_eq_v and spec.window is None


def rows_held(positions: int, window: int | None) -> int:
    """Rows in the buffer of a layer that has read so many positions."""
    stepped = -(-positions // ROW_STEP) * ROW_STEP
    return stepped if window is None else min(stepped, window)


def row_lanes(spec: LayerSpec, kv: KVFormat) -> tuple[int, ...]:
    """Lanes of each array that a layer keeps, per position and key-value head."""
    if kv.folds(spec):
        return (spec.head_dim + spec.rope.rotated_lanes(spec.head_dim),)
    return (spec.head_dim, spec.head_dim)


def group_size(lanes: int) -> int:
    """Numbers that share a scale and a bias when lanes are packed.

    Raises:
        UsageError: no group divides them.
    """
    for size in (64, 32):
        if lanes % size == 0:
            return size
    raise UsageError(
        f"keys and values of {lanes} lanes cannot be packed: expected a multiple of 32",
        "leave the cache unpacked",
    )


def row_bytes(spec: LayerSpec, itemsize: int, kv: KVFormat) -> int:
    """Bytes that one layer keeps of one position.

    Args:
        spec: of a layer with keys and values of its own.
        itemsize: of the activations' dtype, in bytes; scales and biases have it, too.
        kv: how full layers keep theirs.
    """
    lane_bytes = 0
    for lanes in row_lanes(spec, kv):
        if kv.packs(spec) and kv.bits is not None:
            lane_bytes += lanes * kv.bits // 8 + 2 * itemsize * (lanes // group_size(lanes))
        else:
            lane_bytes += lanes * itemsize
    return spec.num_key_value_heads * lane_bytes


def cache_bytes(
    config: TextConfig, positions: int, itemsize: int, kv: KVFormat | None = None
) -> int:
    """Bytes of all caches of one conversation, after so many positions.

    While buffers grow, their predecessors are held beside them: those of one layer or of a few.
    """
    kv = kv or KVFormat()
    return sum(
        rows_held(positions, spec.window) * row_bytes(spec, itemsize, kv)
        for spec in config.layers
        if spec.owns_kv
    )

"""Rotary position embeddings: along the text, and over the two axes of a picture.

Reference: transformers `Gemma4TextRotaryEmbedding`, `_compute_proportional_rope_parameters`,
`Gemma4VisionRotaryEmbedding`, `apply_multidimensional_rope`.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from gemma4_mlx.config import RopeSpec


def rope_periods(head_dim: int, spec: RopeSpec) -> np.ndarray:
    """Period of each pair of lanes, in positions per radian: float32 [head_dim // 2].

    Lane i turns with lane i + head_dim / 2. Only the first `rotated_fraction` of the pairs turn;
    the period of the rest is infinite. The exponent's denominator is the whole head in either
    case, so that the frequencies of a partly turning head are those of a wholly turning one.
    """
    pairs = head_dim // 2
    turning = spec.rotated_lanes(head_dim) // 2
    exponents = np.arange(0, 2 * turning, 2, dtype=np.float32) / np.float32(head_dim)
    periods = np.full(pairs, np.inf, dtype=np.float32)
    periods[:turning] = np.power(np.float32(spec.theta), exponents)
    return periods


class Rope:
    """Turns the heads of one layer kind by their position. Not a module: it holds no weights."""

    def __init__(self, head_dim: int, spec: RopeSpec) -> None:
        self._head_dim = head_dim
        # From NumPy, and so never lazy: a lazy array would belong to the thread that made it.
        self._periods = mx.array(rope_periods(head_dim, spec))

    def __call__(self, x: mx.array, offset: int) -> mx.array:
        """Turn x [B, heads, L, H], whose first row stands at position `offset`."""
        return mx.fast.rope(
            x,
            self._head_dim,
            traditional=False,
            base=None,
            scale=1.0,
            offset=offset,
            freqs=self._periods,
        )


def axial_angles(positions: mx.array, head_dim: int, theta: float) -> tuple[mx.array, mx.array]:
    """Cosine and sine for patches by (column, row).

    The first half of a head turns by the column, the second by the row.

    Args:
        positions: int [P, 2].
        head_dim: lanes of a head.
        theta: base of the frequencies.

    Returns:
        cos, sin: float32 [P, 2, head_dim // 4], by axis.
    """
    lanes = head_dim // 2
    exponents = mx.arange(0, lanes, 2, dtype=mx.float32) / lanes
    frequencies = 1.0 / mx.power(mx.array(theta, dtype=mx.float32), exponents)
    angles = positions[:, :, None].astype(mx.float32) * frequencies
    return mx.cos(angles), mx.sin(angles)


def turn_by_axis(x: mx.array, angles: tuple[mx.array, mx.array]) -> mx.array:
    """Turn x [..., P, H] by the angles of `axial_angles`, half of the lanes per axis."""
    cos, sin = (part.astype(x.dtype) for part in angles)
    pairs = x.reshape(*x.shape[:-1], 2, 2, x.shape[-1] // 4)
    first, second = pairs[..., 0, :], pairs[..., 1, :]
    turned = mx.stack([first * cos - second * sin, second * cos + first * sin], axis=-2)
    return turned.reshape(x.shape)

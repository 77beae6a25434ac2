"""Packed weights as MLX's kernels read them, and the way there from whole-number codes.

Reference: mlx `mx.quantize`, whose layout this is: codes lie one after the other, lowest bits
first, in words of 32 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import mlx.core as mx
import numpy as np

_CODES_PER_STEP = 8
"""That many codes of any width fill whole bytes."""


class Packed(NamedTuple):
    """A packed weight of R rows.

    Attributes:
        weight: uint32 [R, in * bits / 32].
        scales: [R, in / group_size], in the dtype of the weight that was packed for the affine
            mode, else uint8.
        biases: like the scales; None but for the affine mode.
    """

    weight: mx.array
    scales: mx.array
    biases: mx.array | None


def packed_codes(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes uint8 [R, in] -> uint32 [R, in * bits / 32]."""
    codes = np.ascontiguousarray(codes)
    if bits == 8:
        return codes.view(np.uint32)
    if bits == 4:
        pairs = codes.view(np.uint16)
        return (pairs | pairs >> 4).astype(np.uint8).view(np.uint32)
    steps = codes.reshape(-1, _CODES_PER_STEP).astype(np.uint64)
    words = np.zeros(len(steps), np.uint64)
    for index in range(_CODES_PER_STEP):
        words |= steps[:, index] << np.uint64(bits * index)
    used = words.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)[:, :bits]
    return np.ascontiguousarray(used).reshape(len(codes), -1).view(np.uint32)


def float32_of(rows: mx.array) -> np.ndarray:
    """Values of a bf16, f16 or f32 array."""
    return widened(stored(rows))


def stored(rows: mx.array) -> np.ndarray:
    """A bf16, f16 or f32 array as NumPy holds it, not copied: bf16 by its bits, uint16."""
    return np.asarray(rows.view(mx.uint16) if rows.dtype == mx.bfloat16 else rows)


def widened(values: np.ndarray) -> np.ndarray:
    """float32 from what `stored` returns."""
    if values.dtype != np.uint16:
        return values.astype(np.float32, copy=False)
    bits = values.astype(np.uint32)
    bits <<= 16
    return bits.view(np.float32)


def rounded(values: np.ndarray, dtype: mx.Dtype) -> np.ndarray:
    """float32 values as `dtype` would hold them: to the nearest, ties to even."""
    if dtype == mx.bfloat16:
        bits = values.astype(np.float32).view(np.uint32)
        bits = bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))
        return (bits & np.uint32(0xFFFF0000)).view(np.float32)
    if dtype == mx.float16:
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32)
    return values.astype(np.float32, copy=False)

"""Better than rounding: for each group, the scale and bias of the least squared error.

`mx.quantize` lays its codes from the smallest value of a group to the largest. A narrower range
clips those two and is finer for all others. Here each group tries some, and then takes the scale
and bias that fit its codes best, by least squares. What `mx.quantize` does is among the
candidates, so that no group is worse for it; the format stays the same.

At 8 bits ranges have nothing to gain, but codes have: `mx.quantize` chooses them before it rounds
the scale to 16 bits. The nearest codes to what is stored have a quarter less error.

This is arithmetic on small blocks that stay in a core's cache, on all cores: NumPy's loops do it
in half the time of MLX's CPU backend, and a GPU would be waiting for the disk.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from convert.packed import Packed, float32_of, packed_codes, rounded, stored, widened
from gemma4_mlx.config import PackedFormat

SHRINKS = (0.93, 0.85)
"""Shares of the range that are tried; each costs about as much as `mx.quantize`."""

REFITS = 2
"""How often scale and bias are fitted to the codes, and the codes to them."""

_BLOCK_VALUES = 1 << 17
_TINY = np.float32(1e-30)
_MOST_BITS = 6
"""Above that a narrower range gains nothing."""


def pack_rows(
    rows: mx.array,
    packed: PackedFormat,
    importance: mx.array | None = None,
    *,
    search: bool = True,
) -> Packed:
    """Pack rows of a weight.

    Args:
        rows: [R, in], bf16, f16 or f32.
        packed: the format; its groups divide the rows.
        importance: [in], mean squared input of each column; None if all count the same.
        search: False takes what `mx.quantize` makes. So do formats that are not affine.

    Returns:
        What `mx.dequantize` reads; scales and biases in the dtype of the rows.
    """
    weight, scales, *biases = mx.quantize(
        rows, group_size=packed.group_size, bits=packed.bits, mode=packed.mode
    )
    if not biases:
        return Packed(weight, scales, None)
    if not search:
        return Packed(weight, scales, biases[0])
    groups = stored(rows).reshape(rows.shape[0], -1, packed.group_size)
    weights = None if importance is None else float32_of(importance).reshape(groups.shape[1:])
    tried = SHRINKS if packed.bits <= _MOST_BITS else None
    codes = np.empty(groups.shape, np.uint8)
    found = float32_of(scales).copy(), float32_of(biases[0]).copy()

    def search_block(at: slice) -> None:
        block = _Block(widened(groups[at]), weights, 2**packed.bits - 1, rows.dtype)
        found[0][at], found[1][at] = block.search(found[0][at], found[1][at], tried)
        codes[at] = block.codes

    step = max(1, _BLOCK_VALUES // rows.shape[1])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(search_block, (slice(at, at + step) for at in range(0, len(codes), step))))
    return Packed(
        mx.array(packed_codes(codes.reshape(rows.shape), packed.bits)),
        *(mx.array(values).astype(rows.dtype) for values in found),
    )


class _Fit(NamedTuple):
    """Scale and bias of some groups, and their error; all [R, G]."""

    scales: np.ndarray
    biases: np.ndarray
    error: np.ndarray

    def or_better(self, other: _Fit) -> _Fit:
        """For each group the one of the smaller error."""
        is_better = other.error < self.error
        return _Fit(*(np.where(is_better, b, a) for a, b in zip(self, other, strict=True)))


class _Block:
    """Some rows, as groups, and the codes that they have for the moment.

    Args:
        groups: float32 [R, G, group_size].
        weights: of their columns, [G, group_size]; None if all count the same.
        top: the largest code.
        dtype: that scales and biases are stored in.

    Attributes:
        codes: of the groups, whole numbers in float32.
    """

    def __init__(
        self, groups: np.ndarray, weights: np.ndarray | None, top: int, dtype: mx.Dtype
    ) -> None:
        self._groups, self._top, self._dtype = groups, top, dtype
        self._is_weighted = weights is not None
        self._weights = np.ones(groups.shape[1:], np.float32) if weights is None else weights
        self.codes = np.empty_like(groups)
        self._miss = np.empty_like(groups)  # by how many steps the codes do

    def search(
        self, scales: np.ndarray, biases: np.ndarray, shrinks: tuple[float, ...] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scales and biases of the least error found, and their codes.

        Args:
            scales: those of plain rounding, [R, G].
            biases: the same.
            shrinks: to try; None keeps the scales and biases, and takes the nearest codes.
        """
        if shrinks is not None:
            best = self._fit(scales, biases)
            low, high = self._groups.min(axis=-1), self._groups.max(axis=-1)
            for share in shrinks:
                best = best.or_better(self._fit((high - low) * share / self._top, low * share))
            for _ in range(REFITS):
                best = best.or_better(self._fit(*self._refitted(best)))
            scales, biases = best.scales, best.biases
        self._take_nearest(scales, biases)
        return scales, biases

    def _take_nearest(self, scales: np.ndarray, biases: np.ndarray) -> None:
        np.subtract(self._groups, biases[..., None], out=self._miss)
        self._miss *= (1 / scales)[..., None]
        np.rint(self._miss, out=self.codes)
        np.clip(self.codes, 0, self._top, out=self.codes)
        np.subtract(self.codes, self._miss, out=self._miss)

    def _fit(self, scales: np.ndarray, biases: np.ndarray) -> _Fit:
        scales, biases = rounded(scales, self._dtype), rounded(biases, self._dtype)
        # A scale that is nothing, of a group whose values are all the same, cannot be divided by.
        scales = np.where(np.abs(scales) > _TINY, scales, 1)
        self._take_nearest(scales, biases)
        error = np.vecdot(self._weighted(self._miss), self._miss) * scales**2
        return _Fit(scales, biases, error)

    def _refitted(self, fit: _Fit) -> tuple[np.ndarray, np.ndarray]:
        """Scale and bias of the least squared error for the codes that a fit has.

        By how much a code misses is regressed on the code itself: the slope is what the scale
        is off, the intercept what the bias is.
        """
        self._take_nearest(fit.scales, fit.biases)
        codes, miss = self.codes, self._miss
        total = np.maximum(self._weights.sum(axis=-1), _TINY)
        mean_code = np.vecdot(codes, self._weights) / total
        mean_miss = np.vecdot(miss, self._weights) / total
        weighted = self._weighted(codes)
        spread = np.vecdot(weighted, codes) / total - mean_code**2
        slope = np.vecdot(weighted, miss) / total - mean_code * mean_miss
        slope = np.where(spread > 0, slope / np.where(spread > 0, spread, 1), 0)
        intercept = mean_miss - slope * mean_code
        return fit.scales * (1 - slope), fit.biases - fit.scales * intercept

    def _weighted(self, values: np.ndarray) -> np.ndarray:
        return values * self._weights if self._is_weighted else values

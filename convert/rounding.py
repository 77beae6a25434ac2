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
"""Shares of the range that are tried."""

REFITS = 2
"""How often scale and bias are fitted to the codes, and the codes to them."""

_BLOCK_VALUES = 1 << 16
_TINY = np.float32(1e-30)
_MOST_BITS = 6
"""Above that a narrower range gains nothing."""


def pack_rows(
    rows: mx.array,
    packed: PackedFormat,
    importance: mx.array | None = None,
    *,
    search: bool = True,
    shrinks: tuple[float, ...] = SHRINKS,
) -> Packed:
    """Pack rows of a weight.

    Args:
        rows: [R, in], bf16, f16 or f32.
        packed: the format; its groups divide the rows.
        importance: [in], mean squared input of each column; None if all count the same.
        search: False takes what `mx.quantize` makes. So do formats that are not affine.
        shrinks: shares of the range to try; each costs about as much as `mx.quantize`.

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
    found = _Search(rows, packed, importance, shrinks)
    found.run(float32_of(scales), float32_of(biases[0]))
    return Packed(
        mx.array(packed_codes(found.codes.reshape(rows.shape), packed.bits)),
        mx.array(found.scales).astype(rows.dtype),
        mx.array(found.biases).astype(rows.dtype),
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


class _Search:
    """Codes, scales and biases of all rows, found block by block.

    Attributes:
        codes: uint8 [R, G, group_size].
        scales, biases: float32 [R, G], values that the rows' dtype holds.
    """

    def __init__(
        self,
        rows: mx.array,
        packed: PackedFormat,
        importance: mx.array | None,
        shrinks: tuple[float, ...],
    ) -> None:
        shape = (rows.shape[0], rows.shape[1] // packed.group_size, packed.group_size)
        self._groups = stored(rows).reshape(shape)
        self._dtype, self._shrinks = rows.dtype, shrinks
        self._top = 2**packed.bits - 1
        self._has_ranges = packed.bits <= _MOST_BITS
        weights = np.ones(rows.shape[1], np.float32)
        weights = weights if importance is None else float32_of(importance)
        self._weights = weights.reshape(shape[1:])
        self._is_weighted = importance is not None
        self.codes = np.empty(shape, np.uint8)
        self.scales, self.biases = np.empty(shape[:2], np.float32), np.empty(shape[:2], np.float32)

    def run(self, scales: np.ndarray, biases: np.ndarray) -> None:
        """Search from the scales and biases [R, G] that plain rounding has."""
        step = max(1, _BLOCK_VALUES // self.codes[0].size)
        blocks = [slice(start, start + step) for start in range(0, len(self.codes), step)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda block: self._block(block, scales[block], biases[block]), blocks))

    def _block(self, block: slice, scales: np.ndarray, biases: np.ndarray) -> None:
        groups = widened(self._groups[block])
        if self._has_ranges:
            scales, biases = self._best(groups, scales, biases)
        self.scales[block], self.biases[block] = scales, biases
        self.codes[block], _ = self._nearest(groups, scales, biases)

    def _best(
        self, groups: np.ndarray, scales: np.ndarray, biases: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scales and biases of the least error found, from those of plain rounding."""
        best = self._fit(groups, scales, biases)
        low, high = groups.min(axis=-1), groups.max(axis=-1)
        for share in self._shrinks:
            best = best.or_better(self._fit(groups, (high - low) * share / self._top, low * share))
        for _ in range(REFITS):
            best = best.or_better(self._fit(groups, *self._refitted(groups, best)))
        return best.scales, best.biases

    def _nearest(
        self, groups: np.ndarray, scales: np.ndarray, biases: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest codes, and by how many steps they miss; both float32 [R, G, group_size]."""
        exact = groups - biases[..., None]
        exact *= (1 / scales)[..., None]
        codes = np.rint(exact)
        np.clip(codes, 0, self._top, out=codes)
        return codes, np.subtract(codes, exact, out=exact)

    def _fit(self, groups: np.ndarray, scales: np.ndarray, biases: np.ndarray) -> _Fit:
        scales, biases = rounded(scales, self._dtype), rounded(biases, self._dtype)
        # A scale that is nothing, of a group whose values are all the same, cannot be divided by.
        usable = np.where(np.abs(scales) > _TINY, scales, 1)
        _, miss = self._nearest(groups, usable, biases)
        return _Fit(usable, biases, np.vecdot(self._weighted(miss), miss) * usable**2)

    def _refitted(self, groups: np.ndarray, fit: _Fit) -> tuple[np.ndarray, np.ndarray]:
        """Scale and bias of the least squared error for the codes that a fit has.

        By how much a code misses is regressed on the code itself: the slope is what the scale
        is off, the intercept what the bias is.
        """
        codes, miss = self._nearest(groups, fit.scales, fit.biases)
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

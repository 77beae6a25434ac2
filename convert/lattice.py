"""The Q4_0 lattice of quantization-aware training, found in bf16 values and repacked without loss.

There each 32 values along a row are a whole number from -8 to 7 times one step. Plain rounding
puts another grid over them, which costs 6 % of error; here the step is found again. A value of
16 bits is a product rounded, so each tells of the step only an interval; where all 32 intervals
meet, the block stands on the lattice.

Reference: ggml `quantize_row_q4_0_ref`, whose step is the value of the largest magnitude / -8.
Differs: steps come from published values, not the other way round, so that all whole numbers
that the largest value may stand for are tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from convert.packed import Packed, float32_of, packed_codes, rounded, stored, widened
from convert.rounding import pack_rows
from gemma4_mlx.config import PackedFormat

LATTICE = PackedFormat(32, 4)
"""The format that holds the lattice: scale = step, bias = -8 x step."""

_LARGEST = 8
_LESS = (4, 7, 6, 5)
"""What the largest magnitude is where it is not 8, because both of its signs are there; 4 before
the others, because a fourth of a value has no longer a fraction than the value. 1 and 2 are 4
steps of a finer lattice, 3 are 6."""

_CHUNK_BLOCKS = 1 << 11
_LOOKED_AT = 256
_SLACK = np.float32(1e-6)
_HUGE = np.float32(2.0**60)
_SMALLEST = np.uint32(1 << 24)

_HALF_ULP = {mx.bfloat16: 1 << 15, mx.float16: 1 << 12, mx.float32: 2}
"""By how much the bits of a float32 may be off whose value was rounded to the dtype. Products of
a whole number and a 16-bit step are exact in float32; two units there are for other steps."""


class Lattice(NamedTuple):
    """Rows as blocks of the lattice.

    Attributes:
        steps: float32 [R, in / 32], values of the rows' dtype; 0 for a block of zeros.
        codes: uint8 [R, in], the whole numbers plus 8.
        exact: bool [R, in / 32], whether a block stands on the lattice. Where it does not, its
            step and codes mean nothing.
    """

    steps: np.ndarray
    codes: np.ndarray
    exact: np.ndarray


def read_lattice(rows: mx.array) -> Lattice:
    """The blocks of rows [R, in], bf16, f16 or f32; `in` is a multiple of 32."""
    blocks = stored(rows).reshape(-1, LATTICE.group_size)
    steps = np.empty(len(blocks), np.float32)
    codes = np.empty(blocks.shape, np.uint8)
    exact = np.empty(len(blocks), bool)

    def read(chunk: slice) -> None:
        found = _read(blocks[chunk], rows.dtype)
        steps[chunk], exact[chunk] = found.steps(rows.dtype), found.exact
        codes[chunk] = found.numbers.T + _LARGEST

    _by_chunks(read, len(blocks))
    shape = (rows.shape[0], rows.shape[1] // LATTICE.group_size)
    return Lattice(steps.reshape(shape), codes.reshape(rows.shape), exact.reshape(shape))


def share_exact(rows: mx.array) -> float:
    """Share of blocks of rows [R, in] that stand on the lattice, from 0 to 1.

    Some are looked at first; where none of them is on it, the answer is 0.
    """
    if rows.shape[1] % LATTICE.group_size:
        return 0.0
    blocks = stored(rows).reshape(-1, LATTICE.group_size)
    exact = np.zeros(len(blocks), bool)

    def look(chunk: slice) -> None:
        exact[chunk] = _read(blocks[chunk], rows.dtype).exact

    if _read(blocks[:: max(1, len(blocks) // _LOOKED_AT)], rows.dtype).exact.any():
        _by_chunks(look, len(blocks))
    return float(exact.mean())


def repack(rows: mx.array) -> Packed:
    """Pack rows that stand on the lattice: affine, 4 bits, groups of 32.

    Codes are those of the lattice. A step that is no value of the rows' dtype (one of 16 bits
    with a longer fraction, kept beside bf16 values) is rounded to it, as the values themselves
    were; kernels take scales of the activations' dtype only. Blocks off the lattice are packed
    by `pack_rows`.
    """
    lattice = read_lattice(rows)
    weight = packed_codes(lattice.codes, LATTICE.bits)
    scales, biases = lattice.steps, -_LARGEST * lattice.steps
    if not lattice.exact.all():
        others = pack_rows(rows, LATTICE)
        assert others.biases is not None
        scales = np.where(lattice.exact, scales, float32_of(others.scales))
        biases = np.where(lattice.exact, biases, float32_of(others.biases))
        words = (*lattice.exact.shape, -1)
        weight = np.where(
            lattice.exact[..., None], weight.reshape(words), np.array(others.weight).reshape(words)
        ).reshape(weight.shape)
    return Packed(
        mx.array(weight), mx.array(scales).astype(rows.dtype), mx.array(biases).astype(rows.dtype)
    )


class _Found(NamedTuple):
    """What some blocks may be; columns are blocks, which makes NumPy's loops long.

    Attributes:
        numbers: whole numbers, float32 [32, n].
        sign: of the step, float32 [n]; 0 for a block of zeros.
        least, most: between which magnitudes the step lies, float32 [n].
        exact: bool [n], whether there is such a step.
    """

    numbers: np.ndarray
    sign: np.ndarray
    least: np.ndarray
    most: np.ndarray
    exact: np.ndarray

    def steps(self, dtype: mx.Dtype) -> np.ndarray:
        """Of each interval the value with the shortest fraction, as `dtype` holds it."""
        step = middle = (self.least + self.most) / 2
        for shorter in (mx.float16, mx.bfloat16):
            candidate = rounded(middle, shorter)
            fits = (self.least <= candidate) & (candidate <= self.most)
            step = np.where(fits, candidate, step)
        return rounded(step, dtype) * self.sign


def _by_chunks(work: Callable[[slice], None], count: int) -> None:
    chunks = [slice(at, at + _CHUNK_BLOCKS) for at in range(0, count, _CHUNK_BLOCKS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, chunks))


def _read(blocks: np.ndarray, dtype: mx.Dtype) -> _Found:
    """Blocks [n, 32], as `stored` returns them."""
    columns = widened(np.ascontiguousarray(blocks.T))
    found = _read_with(columns, _LARGEST, dtype)
    for largest in _LESS:
        left = np.flatnonzero(~found.exact)
        if not len(left):
            break
        other = _read_with(columns[:, left], largest, dtype)
        for kept, new in zip(found, other, strict=True):
            kept[..., left] = new
    return found


def _read_with(columns: np.ndarray, largest: int, dtype: mx.Dtype) -> _Found:
    """With the value of the largest magnitude in each column taken as -`largest` steps."""
    low, high = columns.min(axis=0), columns.max(axis=0)
    about = np.where(-low >= high, low, high) / np.float32(-largest)
    is_zero = about == 0
    about[is_zero] = 1
    numbers = columns * (1 / about)
    np.rint(numbers, out=numbers)
    least, most = _step_interval(columns, numbers, dtype)
    is_exact = (least <= most) & (numbers.max(axis=0) < _LARGEST)
    np.clip(numbers, -_LARGEST, _LARGEST - 1, out=numbers)
    least[is_zero] = most[is_zero] = 0
    return _Found(numbers, np.sign(about) * ~is_zero, least, most, is_exact | is_zero)


def _step_interval(
    columns: np.ndarray, numbers: np.ndarray, dtype: mx.Dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Between which magnitudes a step makes, times the numbers and rounded, all the values.

    A number 0 makes a zero of any step, and no step makes anything else of it.
    """
    bits = columns.view(np.uint32) & np.uint32(0x7FFF_FFFF)
    # Zeros as a tiny number, yet a normal one: processors are slow with those below.
    np.maximum(bits, _SMALLEST, out=bits)
    half = np.uint32(_HALF_ULP[dtype])
    shares = np.abs(numbers)
    with np.errstate(divide="ignore"):
        np.reciprocal(shares, out=shares)
    bits += half
    ends = bits.view(np.float32) * shares
    most = ends.min(axis=0)
    bits -= 2 * half
    np.minimum(shares, _HUGE, out=shares)
    np.multiply(bits.view(np.float32), shares, out=ends)
    least = ends.max(axis=0)
    return least * (1 - _SLACK), most * (1 + _SLACK)

"""The Q4_0 lattice: found again in rounded values, repacked without loss, refused where absent."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.lattice import LATTICE, read_lattice, repack, share_exact
from convert.packed import Packed, float32_of, rounded
from convert.rounding import pack_rows

DTYPES = {"bf16": mx.bfloat16, "f16": mx.float16, "f32": mx.float32}
ROWS, WIDTH = 16, 256


def dequantized(packed: Packed) -> np.ndarray:
    """In float32, as kernels add up."""
    assert packed.biases is not None
    scales, biases = packed.scales.astype(mx.float32), packed.biases.astype(mx.float32)
    return np.array(mx.dequantize(packed.weight, scales, biases, group_size=32, bits=4))


def lattice_rows(
    seed: int, step_dtype: mx.Dtype, dtype: mx.Dtype, largest: int = 8
) -> tuple[mx.array, np.ndarray]:
    """Rows on the lattice and their steps [R, blocks], of both signs."""
    rng = np.random.default_rng(seed)
    shape = (ROWS, WIDTH // 32)
    steps = rounded(rng.lognormal(-5, 1, shape) * rng.choice([-1, 1], shape), step_dtype)
    drawn = rng.standard_normal((*shape, 32))
    drawn /= np.abs(drawn).max(axis=-1, keepdims=True)
    numbers = np.clip(np.rint(largest * drawn), -8, 7).astype(np.float32)
    values = (numbers * steps[..., None]).reshape(ROWS, WIDTH).astype(np.float32)
    return mx.array(values).astype(dtype), steps


def relative_error(packed: Packed, rows: mx.array) -> float:
    values = float32_of(rows)
    return float(np.linalg.norm(dequantized(packed) - values) / np.linalg.norm(values))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(sorted(DTYPES)),
    st.sampled_from(["bf16", "f16"]),
    st.integers(1, 8),
)
def test_pain_17_every_block_of_a_lattice_is_found(seed, dtype, step_dtype, largest):
    rows, _ = lattice_rows(seed, DTYPES[step_dtype], DTYPES[dtype], largest)
    assert share_exact(rows) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(DTYPES)), st.integers(1, 8))
def test_pain_17_dequantized_equal(seed, dtype, largest):
    rows, _ = lattice_rows(seed, mx.bfloat16, DTYPES[dtype], largest)
    values = rounded(dequantized(repack(rows)), rows.dtype)
    np.testing.assert_array_equal(values, float32_of(rows))


def test_pain_17_a_step_of_16_bits_beside_bf16_values_is_rounded_and_no_more():
    rows, steps = lattice_rows(1, mx.float16, mx.bfloat16)
    lattice = read_lattice(rows)
    assert lattice.exact.all()
    step = np.abs(lattice.steps / steps)
    assert (np.abs(step - 1) < 2**-8).all()
    # As large as the rounding of the values themselves, which is 0.17 %.
    assert relative_error(repack(rows), rows) < 0.0025


def test_pain_17_plain_rounding_loses_what_the_repack_keeps():
    rows, _ = lattice_rows(2, mx.bfloat16, mx.bfloat16)
    plain = Packed(*mx.quantize(rows, group_size=32, bits=4))
    assert relative_error(plain, rows) > 0.05
    # Against the exact products: the values were rounded to 8 bits of fraction.
    assert relative_error(repack(rows), rows) < 0.002


@pytest.mark.parametrize("dtype", DTYPES)
def test_pain_17_ordinary_weights_are_refused(dtype):
    values = np.random.default_rng(3).standard_normal((256, 1024)).astype(np.float32)
    rows = mx.array(values).astype(DTYPES[dtype])
    assert share_exact(rows) == 0
    assert read_lattice(rows).exact.mean() == 0


def test_pain_17_rows_that_blocks_do_not_divide_are_refused():
    assert share_exact(mx.zeros((4, 48), mx.bfloat16)) == 0


def test_pain_17_another_grid_is_refused():
    rows = mx.random.normal((64, 256), key=mx.random.key(4)).astype(mx.bfloat16)
    affine = mx.quantize(rows, group_size=32, bits=4)
    assert share_exact(mx.dequantize(*affine, group_size=32, bits=4)) < 0.05


@pytest.mark.parametrize("change", [1.02, 0.5, -1.0])
def test_pain_17_a_damaged_block_says_so(change):
    rows, _ = lattice_rows(5, mx.float16, mx.bfloat16)
    values = float32_of(rows).copy()
    values[3, 64:96] = np.linspace(-1.0, 0.93, 32)
    values[3, 70] *= change
    damaged = mx.array(values).astype(mx.bfloat16)
    lattice = read_lattice(damaged)
    assert np.argwhere(~lattice.exact).tolist() == [[3, 2]]
    blocks = ROWS * WIDTH // 32
    assert share_exact(damaged) == pytest.approx(1 - 1 / blocks)


def test_pain_17_a_damaged_block_is_packed_like_ordinary_weights():
    rows, _ = lattice_rows(6, mx.bfloat16, mx.bfloat16)
    values = float32_of(rows).copy()
    values[3, 64:96] = np.linspace(-1.0, 0.93, 32)
    damaged = mx.array(values).astype(mx.bfloat16)
    expected = dequantized(repack(rows))
    expected[3, 64:96] = dequantized(pack_rows(damaged, LATTICE))[3, 64:96]
    np.testing.assert_array_equal(dequantized(repack(damaged)), expected)


def test_zeros_stand_on_it():
    rows = mx.zeros((2, 64), mx.bfloat16)
    assert share_exact(rows) == 1
    assert (dequantized(repack(rows)) == 0).all()


def test_both_ends_at_once_do_not():
    values = np.zeros((1, 32), np.float32)
    values[0, :4] = [8, -8, 7, 5]
    assert not read_lattice(mx.array(values)).exact.any()
    values[0, 2:4] = [6, 2]  # which are 4, 3 and 1 of a step twice as wide
    assert read_lattice(mx.array(values)).exact.all()

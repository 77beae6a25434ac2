"""The search for scales and biases: never worse than plain rounding, mostly better."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.packed import Packed, packed_codes, rounded
from convert.rounding import pack_rows
from gemma4_mlx.config import PackedFormat

DTYPES = {"bf16": mx.bfloat16, "f16": mx.float16, "f32": mx.float32}
formats = st.builds(
    PackedFormat,
    group_size=st.sampled_from([32, 64, 128]),
    bits=st.sampled_from([2, 3, 4, 5, 6, 8]),
)


def values_of(packed: Packed, chosen: PackedFormat) -> np.ndarray:
    """What kernels multiply: codes, scales and biases in float32."""
    assert packed.biases is not None
    scales, biases = packed.scales.astype(mx.float32), packed.biases.astype(mx.float32)
    arguments = {"group_size": chosen.group_size, "bits": chosen.bits}
    return np.array(mx.dequantize(packed.weight, scales, biases, **arguments))


def plain(rows: mx.array, chosen: PackedFormat) -> Packed:
    return Packed(*mx.quantize(rows, group_size=chosen.group_size, bits=chosen.bits))


def group_errors(rows: mx.array, packed: Packed, chosen: PackedFormat, weights=1.0) -> np.ndarray:
    """Squared error of each group."""
    miss = (values_of(packed, chosen).astype(np.float64) - np.array(rows.astype(mx.float32))) ** 2
    return (miss * weights).reshape(-1, chosen.group_size).sum(axis=-1)


def some_rows(seed: int, dtype: mx.Dtype) -> mx.array:
    """Groups of many kinds: heavy tails, one-sided, constant, nothing but zeros, one outlier."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(3, size=(8, 256)) * 10.0 ** rng.uniform(-3, 2)
    rows[1] = np.abs(rows[1])
    rows[2, :128] = rows[2, 0]
    rows[3] = 0
    rows[4] *= rng.random(256) < 0.05
    rows[5, 7] *= 50
    rows[6] = np.sign(rows[6]) * np.abs(rows[6, 0])
    return mx.array(rows.astype(np.float32)).astype(dtype)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), formats, st.sampled_from(sorted(DTYPES)), st.booleans())
def test_no_group_is_worse_than_by_plain_rounding(seed, chosen, dtype, has_importance):
    rows = some_rows(seed, DTYPES[dtype])
    importance = np.random.default_rng(seed).exponential(size=256).astype(np.float32)
    weights = importance if has_importance else np.ones(256, np.float32)
    found = pack_rows(rows, chosen, mx.array(importance) if has_importance else None)
    before = group_errors(rows, plain(rows, chosen), chosen, weights)
    after = group_errors(rows, found, chosen, weights)
    noise = 1e-6 * np.square(np.array(rows.astype(mx.float32))).max()
    assert (after <= before * (1 + 1e-4) + noise * 1e-6).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), formats, st.sampled_from(sorted(DTYPES)))
def test_it_has_the_layout_of_plain_rounding(seed, chosen, dtype):
    rows = some_rows(seed, DTYPES[dtype])
    for ours, theirs in zip(pack_rows(rows, chosen), plain(rows, chosen), strict=True):
        assert ours is not None and theirs is not None
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([2, 3, 4, 5, 6, 8]))
def test_codes_lie_as_the_kernels_read_them(seed, bits):
    codes = np.random.default_rng(seed).integers(0, 2**bits, (3, 96), dtype=np.uint8)
    ones, zeros = mx.ones((3, 3)), mx.zeros((3, 3))
    weight = mx.array(packed_codes(codes, bits))
    read = mx.dequantize(weight, ones, zeros, group_size=32, bits=bits)
    assert (np.array(read) == codes).all()


@pytest.mark.parametrize(
    ("bits", "gain"), [(2, 0.15), (3, 0.09), (4, 0.065), (5, 0.025), (6, 0.025), (8, 0.2)]
)
def test_the_error_shrinks(bits, gain):
    rng = np.random.default_rng(3)
    rows = mx.array(rng.standard_normal((64, 512)).astype(np.float32)).astype(mx.bfloat16)
    chosen = PackedFormat(64, bits)
    before = np.sqrt(group_errors(rows, plain(rows, chosen), chosen).sum())
    after = np.sqrt(group_errors(rows, pack_rows(rows, chosen), chosen).sum())
    assert after < before * (1 - gain)


def test_columns_that_matter_are_kept_better():
    rng = np.random.default_rng(4)
    rows = mx.array(rng.standard_normal((64, 256)).astype(np.float32)).astype(mx.bfloat16)
    importance = np.where(np.arange(256) % 8 == 0, 50, 1).astype(np.float32)
    chosen = PackedFormat(64, 4)

    def output_error(packed: Packed) -> float:
        return float(group_errors(rows, packed, chosen, importance).sum())

    weighted = output_error(pack_rows(rows, chosen, mx.array(importance)))
    assert weighted < 0.9 * output_error(pack_rows(rows, chosen))


@pytest.mark.parametrize("mode", ["mxfp4", "nvfp4", "mxfp8"])
def test_other_modes_are_rounded_plainly(mode):
    chosen = PackedFormat(16 if mode == "nvfp4" else 32, 8 if mode == "mxfp8" else 4, mode)
    rows = some_rows(1, mx.bfloat16)
    found = pack_rows(rows, chosen)
    weight, scales = mx.quantize(rows, group_size=chosen.group_size, bits=chosen.bits, mode=mode)
    assert found.biases is None
    assert mx.array_equal(found.weight, weight) and mx.array_equal(found.scales, scales)


def test_without_a_search_it_is_plain_rounding():
    rows, chosen = some_rows(1, mx.bfloat16), PackedFormat(64, 4)
    for ours, theirs in zip(
        pack_rows(rows, chosen, search=False), plain(rows, chosen), strict=True
    ):
        assert mx.array_equal(ours, theirs)


def test_scales_are_rounded_as_mlx_rounds_them():
    values = np.random.default_rng(5).standard_normal(4096).astype(np.float32)
    for dtype in DTYPES.values():
        expected = np.array(mx.array(values).astype(dtype).astype(mx.float32))
        assert (rounded(values, dtype) == expected).all()

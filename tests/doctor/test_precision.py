"""The measured errors are the errors that are there."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx.doctor import precision


def test_relative_error_is_the_norm_of_the_difference():
    exact = np.array([3.0, 4.0])
    assert precision.relative_error(exact, exact) == 0
    assert precision.relative_error(np.array([3.0, 4.5]), exact) == pytest.approx(0.1)


def as_tf32(array: mx.array) -> mx.array:
    """float32 with 10 bits behind the point, rounded to nearest, as TF32 has."""
    bits = np.array(array).view(np.uint32)
    return mx.array(((bits + 0x1000) & 0xFFFFE000).view(np.float32))


MATMUL, QUANTIZED_MATMUL = mx.matmul, mx.quantized_matmul


def tf32_matmul(left, right):
    return MATMUL(as_tf32(left), as_tf32(right))


def in_float64(left, right):
    return mx.array((np.array(left, np.float64) @ np.array(right, np.float64)).astype(np.float32))


def test_the_measured_error_is_the_error_that_is_there():
    assert precision.matmul_error(mx.float32, in_float64) < 6e-8
    assert precision.matmul_error(mx.float32, tf32_matmul) == pytest.approx(3e-4, rel=0.2)
    by_a_percent = precision.matmul_error(mx.float32, lambda *both: MATMUL(*both) * 1.01)
    assert by_a_percent == pytest.approx(0.01, rel=1e-3)
    rounded = precision.matmul_error(
        mx.bfloat16, lambda *both: in_float64(*(each.astype(mx.float32) for each in both))
    )
    assert rounded < 6e-8, "rounding the factors to their dtype is not the product's error"


def test_the_measured_error_of_packed_products_is_the_one_that_is_there():
    def by_a_percent(*arrays, **packing):
        return QUANTIZED_MATMUL(*arrays, **packing) * 1.01

    assert precision.quantized_matmul_error(mx.float32) < precision.FLOAT32_ERROR
    wrong = precision.quantized_matmul_error(mx.float32, by_a_percent)
    assert wrong == pytest.approx(0.01, rel=1e-3)


def test_pain_42_tf32_is_found(monkeypatch):
    """M5 multiplies float32 in TF32 unless told otherwise, and nothing says so."""
    monkeypatch.setattr(mx, "matmul", tf32_matmul)
    found = precision.float32()
    assert (found.level, "TF32" in found.text) == ("warning", True)
    assert "MLX_ENABLE_TF32=0" in found.cure
    monkeypatch.undo()
    assert precision.float32().level == "ok"


def test_bfloat16_that_is_added_up_in_bfloat16_is_found(monkeypatch):
    monkeypatch.setattr(precision, "matmul_error", lambda dtype: 0.02)
    assert precision.bfloat16().level == "warning"


@pytest.mark.parametrize(
    ("where", "exact", "half", "level"),
    [
        ("Metal", 1e-6, 1.7e-3, "ok"),
        ("Metal", 3e-4, 1.7e-3, "ok"),
        ("Metal", 1e-6, 0.04, "warning"),
        ("CPU", 1e-6, 0.04, "info"),
        ("CPU", 0.02, 0.04, "error"),
    ],
)
def test_packed_products(monkeypatch, where, exact, half, level):
    errors = {mx.float32: exact, mx.bfloat16: half}
    monkeypatch.setattr(precision, "quantized_matmul_error", lambda dtype: errors[dtype])
    monkeypatch.setattr(precision, "backend", lambda: where)
    found = precision.packed()
    assert found.level == level
    assert ("why float32 is used" in found.text) == (level == "info")

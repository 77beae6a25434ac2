"""How exact the products are on which everything rests, measured on this machine.

Some GPUs multiply float32 in TF32, with 10 bits instead of 23, unless told otherwise; MLX's CPU
backend multiplies packed weights in bfloat16 with errors of several percent. Neither is said
anywhere while it happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma4_mlx.doctor.backend import backend
from gemma4_mlx.doctor.finding import Finding

if TYPE_CHECKING:
    import mlx.core as mx

    Multiply = Callable[..., mx.array]

FLOAT32_ERROR, BFLOAT16_ERROR = 1e-5, 5e-3
"""Relative errors up to which a product counts as exact. In float32 sound
kernels stay under 1e-6 and TF32 is at 3e-4; rounding the result to bfloat16 makes 1.7e-3."""

_GROUP_SIZE, _BITS = 64, 4


def relative_error(product: np.ndarray, exact: np.ndarray) -> float:
    """The norm of the difference, in terms of the norm of what is exact."""
    return float(np.linalg.norm(product.astype(np.float64) - exact) / np.linalg.norm(exact))


def matmul_error(dtype: mx.Dtype, multiply: Multiply | None = None) -> float:
    """Relative error of a product, against float64.

    Args:
        dtype: of both factors; their rounding to it does not count.
        multiply: takes [R, W] and [W, C]; None for MLX's own.
    """
    import mlx.core as mx

    left, right = (mx.array(each).astype(dtype) for each in _factors(384, 256, 384))
    exact = _float64(left) @ _float64(right).T
    return relative_error(_float64((multiply or mx.matmul)(left, right.T)), exact)


def quantized_matmul_error(dtype: mx.Dtype, multiply: Multiply | None = None) -> float:
    """Relative error of a product with packed weights, against float64.

    Args:
        dtype: of the other factor and of scales and biases.
        multiply: called as `mx.quantized_matmul` is; None for that one.
    """
    import mlx.core as mx

    left, right = (mx.array(each).astype(dtype) for each in _factors(32, 1024, 128))
    packing: dict[str, Any] = {"group_size": _GROUP_SIZE, "bits": _BITS}
    packed, scales, biases = mx.quantize(right, **packing)
    scales_32, biases_32 = scales.astype(mx.float32), biases.astype(mx.float32)
    weights = mx.dequantize(packed, scales_32, biases_32, **packing)
    exact = _float64(left) @ _float64(weights).T
    product = (multiply or mx.quantized_matmul)(
        left, packed, scales, biases, transpose=True, **packing
    )
    return relative_error(_float64(product), exact)


def float32() -> Finding:
    """Whether float32 is multiplied in float32."""
    import mlx.core as mx

    error = matmul_error(mx.float32)
    data = {"relative_error": error}
    text = f"products are off by {error:.0e}"
    if error <= FLOAT32_ERROR:
        return Finding("float32", "ok", text, data=data)
    return Finding(
        "float32",
        "warning",
        f"{text}, which is how TF32 multiplies, not float32",
        "set MLX_ENABLE_TF32=0: it is slower and exact",
        data,
    )


def bfloat16() -> Finding:
    """Whether bfloat16 is added up with more bits than it has."""
    import mlx.core as mx

    error = matmul_error(mx.bfloat16)
    data = {"relative_error": error}
    text = f"products are off by {error:.1e}"
    if error <= BFLOAT16_ERROR:
        return Finding("bfloat16", "ok", f"{text}: their rounding", data=data)
    return Finding(
        "bfloat16",
        "warning",
        f"{text}, expected 1.7e-3",
        "update MLX; from Python, load(..., dtype=mx.float32) does without bfloat16",
        data,
    )


def packed() -> Finding:
    """Whether 4-bit weights are multiplied well in the dtype that is used here."""
    import mlx.core as mx

    exact, half = quantized_matmul_error(mx.float32), quantized_matmul_error(mx.bfloat16)
    data = {"float32_relative_error": exact, "bfloat16_relative_error": half}
    text = f"4-bit products are off by {half:.1%} in bfloat16, by {exact:.0e} in float32"
    if exact > BFLOAT16_ERROR:
        cure = "reinstall MLX: what it multiplies is wrong"
        return Finding("packed", "error", text, cure, data)
    if half <= BFLOAT16_ERROR:
        return Finding("packed", "ok", text, data=data)
    if backend() == "CPU":
        why = "this is why float32 is used on this backend"
        return Finding("packed", "info", f"{text}: {why}", data=data)
    cure = "update MLX; from Python, load(..., dtype=mx.float32) does without bfloat16"
    return Finding("packed", "warning", text, cure, data)


def _factors(rows: int, width: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Two factors, float32 [rows, width] and [columns, width], the same each time."""
    draw = np.random.default_rng(0).standard_normal
    left = draw((rows, width), dtype=np.float32)
    return left, draw((columns, width), dtype=np.float32)


def _float64(array: mx.array) -> np.ndarray:
    import mlx.core as mx

    return np.array(array.astype(mx.float32)).astype(np.float64)

"""Packed (quantized) modules: which ones a checkpoint holds, and whether it says so.

Reference: mlx-lm `utils.load_model`, `mlx.nn.quantize`.
Differs: config.json says how a module is packed and the tensors say whether it is; where the two
contradict each other the checkpoint is refused, never reinterpreted.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.config import PackedFormat, Quantization
from gemma4_mlx.model import Gemma4

_SCALES = ".scales"


def pack_modules(model: Gemma4, tensors: Container[str] | Mapping[str, Any]) -> list[str]:
    """Replace the modules that the checkpoint holds packed.

    Args:
        model: new; its weights are lazy, so that packing them costs nothing.
        tensors: our names of the checkpoint's tensors.

    Returns:
        What config.json and the tensors say differently.
    """
    quantization = model.config.quantization
    packed = _packed_paths(tensors)
    problems = _contradictions(quantization, packed, tensors)
    if quantization is None or problems:
        return problems
    widths = {
        path: module.weight.shape[-1]
        for path, module in model.named_modules()
        if path in packed and "weight" in module
    }
    for path, width in widths.items():
        declared = quantization.format_of(path)
        if declared is not None and width % declared.group_size:
            problems.append(
                f"group size: {path} has rows of {width} values, no multiple of "
                f"{declared.group_size}"
            )
    if problems:
        return problems
    nn.quantize(model, class_predicate=lambda path, _: _arguments(quantization, path, packed))
    return []


def check_packed(model: Gemma4, tensors: Mapping[str, mx.array]) -> list[str]:
    """Dtypes of packed weights and scales that are not those of their declared format."""
    quantization = model.config.quantization
    problems = []
    if quantization is None:
        return problems
    for path in _packed_paths(tensors):
        packed = quantization.format_of(path)
        if packed is None:
            continue
        weight, scales = tensors.get(f"{path}.weight"), tensors[path + _SCALES]
        if weight is not None and weight.dtype != mx.uint32:
            problems.append(f"not packed: {path}.weight is {weight.dtype}, expected uint32")
        is_float = mx.issubdtype(scales.dtype, mx.floating)
        if is_float != packed.has_biases:
            kind = "floating point" if packed.has_biases else "uint8"
            problems.append(
                f"scales: {path}.scales is {scales.dtype}, {packed.mode} has {kind} ones"
            )
    return problems


def _packed_paths(tensors: Any) -> list[str]:
    return [name.removesuffix(_SCALES) for name in tensors if name.endswith(_SCALES)]


def _contradictions(
    quantization: Quantization | None, packed: list[str], tensors: Any
) -> list[str]:
    if quantization is None:
        return [f"packed: {path} has scales, but config.json declares none" for path in packed]
    problems = []
    for path, declared in quantization.overrides.items():
        if declared is not None and path not in packed and f"{path}.weight" in tensors:
            problems.append(f"not packed: {path} has no scales, but config.json declares it packed")
    for path in packed:
        declared = quantization.format_of(path)
        if declared is None:
            problems.append(f"packed: {path} has scales, but config.json declares it not packed")
        elif declared.has_biases != (f"{path}.biases" in tensors):
            wanted = "needs" if declared.has_biases else "has no"
            problems.append(f"biases: {path} is declared {declared.mode}, which {wanted} biases")
    return problems


def _arguments(quantization: Quantization, path: str, packed: list[str]) -> dict[str, Any] | bool:
    declared: PackedFormat | None = quantization.format_of(path)
    if declared is None or path not in packed:
        return False
    return {"group_size": declared.group_size, "bits": declared.bits, "mode": declared.mode}

"""Packs a tiny checkpoint as public MLX repositories do, and unpacks it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.loading import load_model
from gemma4_mlx.weights import parameters

Tensors = dict[str, mx.array]


def our_tensors(folder: Path) -> Tensors:
    """A checkpoint's tensors by our names and in our layout."""
    return parameters(load_model(folder, dtype=mx.float32))


def pack(tensors: Tensors, format_of: Callable[[str], Mapping[str, Any] | None]) -> Tensors:
    """Pack each weight for whose path a format is given."""
    packed: Tensors = {}
    for name, tensor in tensors.items():
        path = name.removesuffix(".weight")
        chosen = format_of(path) if name.endswith(".weight") and tensor.ndim >= 2 else None
        if chosen is None:
            packed[name] = tensor
            continue
        weight, scales, *biases = mx.quantize(tensor, **chosen)
        packed |= {f"{path}.weight": weight, f"{path}.scales": scales}
        if biases:
            packed[f"{path}.biases"] = biases[0]
    return packed


def unpack(tensors: Tensors, format_of: Callable[[str], Mapping[str, Any] | None]) -> Tensors:
    """The same weights, unpacked."""
    plain: Tensors = {}
    for name, tensor in tensors.items():
        path, _, kind = name.rpartition(".")
        if f"{path}.scales" not in tensors:
            plain[name] = tensor
        elif kind == "weight":
            scales, biases = tensors[f"{path}.scales"], tensors.get(f"{path}.biases")
            weight = mx.dequantize(tensor, scales, biases, **(format_of(path) or {}))
            plain[name] = weight.astype(mx.float32)
    return plain


def write(folder: Path, source: Path, tensors: Tensors, block: Mapping[str, Any] | None) -> Path:
    """A checkpoint folder like `source` with other tensors and a quantization block."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((source / "config.json").read_text())
    if block is not None:
        config |= {"quantization": block, "quantization_config": block}
    ModelConfig.from_dict(config)
    (folder / "config.json").write_text(json.dumps(config))
    mx.save_safetensors(str(folder / "model.safetensors"), tensors, {"format": "mlx"})
    return folder

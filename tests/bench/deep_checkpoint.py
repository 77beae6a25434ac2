"""A checkpoint of E2B's depth with small widths: what is left is what the framework itself costs.

All 35 layers, their kinds, their sharing of keys and values, the per-layer embeddings; widths and
vocabulary of the bundled model. Random weights in float32, which every program computes with here.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.config.shapes import parameter_shapes
from tests.bench.synthetic import AUXILIARY, POCKET
from tests.published import DATA

DEPTH = ("layer_types", "num_hidden_layers", "num_kv_shared_layers", "use_double_wide_mlp")


def deep_config() -> dict[str, Any]:
    """The bundled model's config.json with the published depth, without towers."""
    config = json.loads((POCKET / "config.json").read_text())
    published = json.loads((DATA / "configs" / "gemma-4-E2B-it.config.json").read_text())
    config["text_config"] |= {name: published["text_config"][name] for name in DEPTH}
    config["text_config"]["dtype"] = config["dtype"] = "float32"
    config["vocab_size"] = config["text_config"]["vocab_size"]
    return config


def write_deep(folder: Path) -> Path:
    """Write it into a folder that does not exist; returns the folder."""
    folder.mkdir(parents=True)
    for name in AUXILIARY:
        shutil.copy(POCKET / name, folder)
    (folder / "config.json").write_text(json.dumps(deep_config()))
    key = mx.random.key(0)
    weights = {}
    for name, shape in sorted(parameter_shapes(ModelConfig.from_folder(folder)).items()):
        key, own = mx.random.split(key)
        weights[name] = _values(name, shape, own)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    return folder


def write_float32(source: Path, folder: Path) -> Path:
    """A copy of a checkpoint with weights in float32; returns the folder."""
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    for part in (config, *(config[name] for name in config if name.endswith("_config"))):
        part["dtype"] = "float32"
    config["vocab_size"] = config["text_config"]["vocab_size"]
    (folder / "config.json").write_text(json.dumps(config))
    weights = mx.load(str(source / "model.safetensors"))
    assert isinstance(weights, dict)
    raised = {name: value.astype(mx.float32) for name, value in weights.items()}
    mx.save_safetensors(str(folder / "model.safetensors"), raised, {"format": "pt"})
    return folder


def _values(name: str, shape: tuple[int, ...], key: mx.array) -> mx.array:
    if len(shape) < 2:  # norms and scales
        return mx.ones(shape)
    return mx.random.normal(shape, key=key) * shape[-1] ** -0.5

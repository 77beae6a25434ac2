"""Both directions of exchange: what we convert, mlx-lm and mlx-vlm load, and what they do, we load.

The text's logits must agree in float32. Run by `make oracle`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_map

from convert.conversion import Settings, convert_checkpoint
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.loading import load_model
from gemma4_mlx.recipes import RECIPES, find_recipe
from tests.convert.checkpoints import write_source
from tests.parity.configs import CONFIGS

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

IDS = np.random.default_rng(3).integers(30, 1000, (1, 20))
AGREEMENT = 5e-3
PACKAGES = ["mlx_lm", "mlx_vlm"]
WIDE = {"intermediate_size": 128, "hidden_size_per_layer_input": 64, "global_head_dim": 64}
"""Rows that groups of 64 divide, as the other converters need them."""


@pytest.fixture(scope="module", params=CONFIGS)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / request.param
    wide = {"moe_intermediate_size": 64} if request.param == "26b-like" else {}
    ple = CONFIGS[request.param]["text_config"]["hidden_size_per_layer_input"]
    return write_source(
        folder, request.param, **{**WIDE, **wide, "hidden_size_per_layer_input": 64 if ple else 0}
    )


def logits_of(package: str, folder: Path) -> np.ndarray:
    """The other library's logits [L, V], in float32."""
    utils = pytest.importorskip(f"{package}.utils")
    loaded = utils.load_model(folder)
    other = loaded[0] if isinstance(loaded, tuple) else loaded
    other.update(tree_map(in_float32, other.parameters()))
    output = other(mx.array(IDS))
    return np.array(getattr(output, "logits", output).astype(mx.float32))[0]


def in_float32(array: mx.array) -> mx.array:
    return array.astype(mx.float32) if mx.issubdtype(array.dtype, mx.floating) else array


def ours(folder: Path) -> np.ndarray:
    return np.array(load_model(folder, dtype=mx.float32)(IDS))[0]


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "qat-q4_0"])
@pytest.mark.parametrize("package", PACKAGES)
def test_they_load_what_we_write(package: str, recipe: str, source: Path, tmp_path: Path):
    pytest.importorskip(package)
    settings = Settings(recipe=find_recipe(recipe), card=False)
    report = convert_checkpoint(source, tmp_path / "dest", settings)
    error = np.abs(ours(report.dest) - logits_of(package, report.dest)).max()
    assert error < AGREEMENT


def converter(package: str) -> Callable[..., Any]:
    return pytest.importorskip(package).convert


@pytest.mark.parametrize("package", PACKAGES)
def test_pain_30_we_load_what_they_write(package: str, source: Path, tmp_path: Path):
    dest = tmp_path / "theirs"
    config = json.loads((source / "config.json").read_text())
    # mlx-lm takes the size of the vocabulary from the top level.
    config["vocab_size"] = config["text_config"]["vocab_size"]
    (source / "config.json").write_text(json.dumps(config))
    converter(package)(str(source), str(dest), quantize=True, q_group_size=64, q_bits=4)
    quantization = ModelConfig.from_folder(dest).quantization
    assert quantization is not None
    assert quantization.default.bits == 4
    if source.name == "26b-like":
        router = quantization.format_of("language_model.model.layers.0.router.proj")
        assert router is not None
        assert router.bits == 8
    error = np.abs(ours(dest) - logits_of(package, dest)).max()
    assert error < AGREEMENT

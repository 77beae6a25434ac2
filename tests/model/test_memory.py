"""What a model takes: bytes that are exact."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx import memory
from gemma4_mlx.cache import KVCache
from gemma4_mlx.config import ModelConfig, parameter_shapes
from gemma4_mlx.errors import WeightsError
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.kv_format import KVFormat, cache_bytes
from gemma4_mlx.loading import load_model
from gemma4_mlx.memory import (
    Demand,
    checkpoint_weights,
    mac,
    plan_model,
    planned_weights,
    published_config,
)
from gemma4_mlx.model import Gemma4
from gemma4_mlx.prefill import prefill
from gemma4_mlx.recipes import RECIPES, Formats
from gemma4_mlx.weights import parameters
from tests.model import packed
from tests.parity.configs import CONFIGS
from tests.parity.recipe import write_checkpoint

PACKED = {"group_size": 32, "bits": 4}
FORMATS = {"plain": KVFormat(), "folded": KVFormat(folded=True), "8 bits": KVFormat(8)}

every_variant = pytest.mark.parametrize("variant", memory.PUBLISHED)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: write_checkpoint(folder / name, name) for name in ("e2b-like", "26b-like")}


# --- Weights ---


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["e2b-like", "26b-like"])
def test_weights_are_those_that_are_loaded(checkpoints, name, dtype):
    model = load_model(checkpoints[name], dtype=dtype)
    held = sum(array.nbytes for array in parameters(model).values())
    assert checkpoint_weights(checkpoints[name], model.config).nbytes(dtype.size) == held


@pytest.mark.parametrize("in_file", [mx.float32, mx.bfloat16], ids=str)
@pytest.mark.parametrize("item_bytes", [2, 4])
def test_packed_weights_are_those_that_are_loaded(checkpoints, tmp_path, item_bytes, in_file):
    source = checkpoints["26b-like"]
    tensors = {name: each.astype(in_file) for name, each in packed.our_tensors(source).items()}
    tensors = packed.pack(tensors, lambda path: PACKED if "language_model" in path else None)
    folder = packed.write(tmp_path / "packed", source, tensors, PACKED)
    dtype = {2: mx.bfloat16, 4: mx.float32}[item_bytes]
    model = load_model(folder, dtype=dtype)
    weights = checkpoint_weights(folder, model.config)
    held = sum(array.nbytes for array in parameters(model).values())
    assert weights.nbytes(item_bytes) == held
    experts = sum(a.nbytes for name, a in parameters(model).items() if ".experts." in name)
    assert weights.nbytes(item_bytes, "experts") == experts


@every_variant
@pytest.mark.parametrize("recipe", RECIPES)
def test_float32_widens_what_is_not_packed(variant, recipe):
    config = published_config(variant)
    formats = RECIPES[recipe].formats(config)
    weights = planned_weights(config, formats)
    assert weights.nbytes(4) == weights.nbytes(2) + 2 * sum(widened(config, formats))


def widened(config: ModelConfig, formats: Formats) -> Iterator[int]:
    """How many values float32 widens: all but those of packed layers, whose scales stay."""
    for name, shape in parameter_shapes(config).items():
        form = formats.get(name.removesuffix(".weight"))
        if form is None:
            yield math.prod(shape)
        elif "embed_tokens" in name and form.has_biases:
            yield 2 * math.prod(shape) // form.group_size


def test_dead_keys_and_values_are_not_counted(checkpoints):
    folder = checkpoints["e2b-like"]
    config = ModelConfig.from_folder(folder)
    assert checkpoint_weights(folder, config).parts == planned_weights(config, {}).parts


def stacked(tensors: packed.Tensors, rows: int) -> None:
    """Gate and up of the first layer's experts in one tensor, as the hub has them."""
    experts = "language_model.model.layers.0.experts"
    gate = tensors.pop(f"{experts}.switch_glu.gate_proj.weight")
    tensors.pop(f"{experts}.switch_glu.up_proj.weight")
    tensors[f"{experts}.gate_up_proj"] = mx.zeros((gate.shape[0], rows, gate.shape[2]))


TURNED = "language_model.model.layers.0.self_attn.q_proj.weight"


def wrong_header(source: Path, folder: Path, change) -> None:
    """Load's own tensors, changed; nothing of this can be planned."""
    tensors = packed.our_tensors(source)
    change(tensors)
    packed.write(folder, source, tensors, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: t.pop("language_model.model.norm.weight"),
            r"missing: language_model.model.norm",
        ),
        (
            lambda t: t.update({"language_model.model.norm.weight": mx.ones(3)}),
            r"misshapen: language_model.model.norm.weight \(3,\), expected \(64,\)",
        ),
        (lambda t: t.update({"another.weight": mx.ones(3)}), r"unknown: another.weight \(3,\)"),
        (
            lambda t: t.update({"model.language_model.norm.weight": mx.ones(64)}),
            r"twice: language_model.model.norm.weight",
        ),
        (
            lambda t: stacked(t, rows=5),
            r"gate_proj.weight \(\d+, 5, 64\), expected .*, from \S*gate_up_proj in /.*\.safe",
        ),
        (
            lambda t: t.update({TURNED: t[TURNED].T}),
            rf"misshapen: {TURNED} \(64, 128\), expected \(128, 64\)",
        ),
    ],
)
def test_a_header_that_disagrees_with_the_config(checkpoints, tmp_path, change, said):
    source = checkpoints["26b-like"]
    wrong_header(source, tmp_path, change)
    with pytest.raises(WeightsError, match=said) as caught:
        checkpoint_weights(tmp_path, ModelConfig.from_folder(tmp_path))
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


# --- Keys and values ---


@pytest.mark.parametrize("kv", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("name", CONFIGS)
def test_pain_22_caches_are_as_large_as_planned(name, kv):
    config = ModelConfig.from_dict(CONFIGS[name])
    model = Gemma4(config, {})
    weights = planned_weights(config, {})
    for length in (17, 260):
        cache = model.make_cache(kv)
        ids = np.full((1, length), 7, np.int32)
        read(prefill(model, ModelInputs(ids, np.zeros_like(ids)), cache))
        mx.eval(model.step(mx.array([[9]]), cache))
        machine = replace(mac(16), item_bytes=4)
        plan = plan_model(config, weights, machine, Demand(context=length + 1, kv=kv))
        planned = {line.key: line.nbytes for line in plan.lines}
        assert held(cache, windowed=False) == planned["kv_full"]
        assert held(cache, windowed=True) == planned["kv_sliding"]


def test_pain_22_packed_and_folded_together():
    """At real lanes (640 of which are kept), which the tiny checkpoints do not have."""
    raw = CONFIGS["31b-like"]
    text = raw["text_config"] | {"global_head_dim": 512}
    config = ModelConfig.from_dict(raw | {"text_config": text, "vision_config": None})
    model = Gemma4(config, {})
    for kv in (KVFormat(4, folded=True), KVFormat(8, folded=True)):
        cache = model.make_cache(kv)
        mx.eval(model.step(mx.array([[9]]), cache))
        assert held(cache, windowed=False) + held(cache, windowed=True) == cache_bytes(
            config.text_config, 1, 4, kv
        )


def read(reading) -> None:
    for _ in reading:
        pass


def held(cache: list[KVCache], *, windowed: bool) -> int:
    return sum(one.nbytes for one in cache if (one.window is not None) == windowed)


@pytest.mark.parametrize(("context", "published"), [(4, 0.40), (8, 0.48), (32, 0.99), (128, 3.00)])
def test_pain_22_keys_and_values_of_26b(context, published):
    """As ollama holds them: its windows have room for a batch of 512 beside the 1024 rows."""
    config = published_config("26B-A4B").text_config
    windows = [layer for layer in config.layers if layer.window is not None]
    batch = 512 * 2 * 2 * sum(layer.num_key_value_heads * layer.head_dim for layer in windows)
    ours = cache_bytes(config, context * 1024, 2)
    assert (ours + batch) / 1e9 == pytest.approx(published, abs=0.005)
    assert batch == 104_857_600


@pytest.mark.parametrize(
    ("variant", "per_token", "fixed_mb"),
    [("E2B", 6144, 6.3), ("E4B", 16384, 21), ("26B-A4B", 20480, 210), ("31B", 81920, 839)],
)
def test_pain_22_what_a_position_takes(variant, per_token, fixed_mb):
    config = published_config(variant).text_config
    at_4k, at_8k = (cache_bytes(config, positions, 2) for positions in (4096, 8192))
    assert (at_8k - at_4k) / 4096 == per_token
    assert (at_4k - 4096 * per_token) / 1e6 == pytest.approx(fixed_mb, rel=0.01)


def test_folding_takes_three_eighths_off_what_grows():
    config = published_config("31B").text_config
    plain, folded = (
        cache_bytes(config, 131072, 2, KVFormat(folded=folds))
        - cache_bytes(config, 4096, 2, KVFormat(folded=folds))
        for folds in (False, True)
    )
    assert folded / plain == 0.625

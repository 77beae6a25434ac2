"""Packed checkpoints: what they say is law, and they compute what their weights say."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from gemma4_mlx.errors import WeightsError
from gemma4_mlx.loading import load_model
from gemma4_mlx.model import Gemma4
from gemma4_mlx.text.experts import PackedExpertLinear
from tests.model.packed import our_tensors, pack, unpack, write
from tests.parity.recipe import write_checkpoint

FORMATS = {
    "affine-4": {"group_size": 32, "bits": 4, "mode": "affine"},
    "affine-8": {"group_size": 32, "bits": 8, "mode": "affine"},
    "mxfp4": {"group_size": 32, "bits": 4, "mode": "mxfp4"},
    "nvfp4": {"group_size": 16, "bits": 4, "mode": "nvfp4"},
    "mxfp8": {"group_size": 32, "bits": 8, "mode": "mxfp8"},
}
CHECKPOINTS = ["e2b-like", "26b-like", "31b-like"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("packed")
    return {name: write_checkpoint(root / name, name) for name in CHECKPOINTS}


def is_text(path: str) -> bool:
    """As in the public repositories: the decoder and the media projections, not the towers."""
    return path.startswith(("language_model.", "embed_"))


def logits(model: Gemma4, length: int = 40) -> np.ndarray:
    ids = np.random.default_rng(5).integers(3, 250, (1, length)).astype(np.int32)
    return np.array(model(ids))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_pain_28_packed_equals_its_dequantized_weights(checkpoint, name, folders, tmp_path):
    chosen, source = FORMATS[name], folders[checkpoint]
    tensors = our_tensors(source)

    def format_of(path: str):
        width = tensors[f"{path}.weight"].shape[-1]
        return chosen if is_text(path) and width % chosen["group_size"] == 0 else None

    packed = pack(tensors, format_of)
    twin = write(tmp_path / "twin", source, unpack(packed, format_of), None)
    made = load_model(write(tmp_path / "packed", source, packed, chosen), dtype=mx.float32)
    kinds = {type(module) for module in made.modules()}
    assert {nn.QuantizedLinear, nn.QuantizedEmbedding} <= kinds
    assert (PackedExpertLinear in kinds) == (checkpoint == "26b-like")
    expected = logits(load_model(twin, dtype=mx.float32))
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(logits(made), expected, atol=2e-3)


@pytest.mark.parametrize("checkpoint", ["e2b-like", "26b-like"])
def test_scales_of_layers_stay_narrow_and_the_results_are_the_same(checkpoint, folders, tmp_path):
    source, chosen = folders[checkpoint], FORMATS["affine-4"]
    held = {name: tensor.astype(mx.bfloat16) for name, tensor in our_tensors(source).items()}

    def format_of(path: str):
        return chosen if is_text(path) and held[f"{path}.weight"].shape[-1] % 32 == 0 else None

    packed = pack(held, format_of)
    wide = {
        name: tensor.astype(mx.float32) if name.endswith((".scales", ".biases")) else tensor
        for name, tensor in packed.items()
    }
    narrow, twin = (
        load_model(write(tmp_path / name, source, tensors, chosen), dtype=mx.float32)
        for name, tensors in (("narrow", packed), ("wide", wide))
    )
    layers = (narrow.layers[1], twin.layers[1])
    assert [layer.mlp.up_proj.scales.dtype for layer in layers] == [mx.bfloat16, mx.float32]
    assert narrow.language_model.model.embed_tokens.scales.dtype == mx.float32
    np.testing.assert_array_equal(logits(narrow), logits(twin))


def test_pain_30_overrides_and_unpacked_towers_side_by_side(folders, tmp_path):
    source = folders["26b-like"]
    tensors = our_tensors(source)
    routers = {
        path.removesuffix(".weight"): {"group_size": 64, "bits": 8}
        for path in tensors
        if path.endswith("router.proj.weight")
    }

    def format_of(path: str):
        chosen = routers.get(path, {"group_size": 64, "bits": 4})
        width = tensors[f"{path}.weight"].shape[-1]
        return chosen if is_text(path) and width % 64 == 0 else None

    block = {"group_size": 64, "bits": 4, "mode": "affine", **routers}
    packed = pack(tensors, format_of)
    model = load_model(write(tmp_path / "packed", source, packed, block), dtype=mx.float32)
    layer = model.layers[0]
    assert (layer.router.proj.bits, layer.mlp.gate_proj.bits) == (8, 4)
    tower = model.vision_tower.encoder.layers[0].mlp.gate_proj.linear
    assert isinstance(tower, nn.Linear)
    twin = write(tmp_path / "twin", source, unpack(packed, format_of), None)
    np.testing.assert_allclose(logits(model), logits(load_model(twin, dtype=mx.float32)), atol=2e-3)


UP = "language_model.model.layers.1.mlp.up_proj"


def contradicted(folders, tmp_path, change, block=None) -> str:
    """The error of a checkpoint whose tensors were changed behind config.json's back."""
    source = folders["e2b-like"]
    tensors = our_tensors(source)
    packed = pack(tensors, lambda path: FORMATS["affine-4"] if path == UP else None)
    change(packed)
    folder = write(tmp_path / "odd", source, packed, block or FORMATS["affine-4"])
    with pytest.raises(WeightsError) as error:
        load_model(folder)
    return error.value.message


def test_pain_30_missing_biases_are_an_error(folders, tmp_path):
    message = contradicted(folders, tmp_path, lambda t: t.pop(f"{UP}.biases"))
    assert f"biases: {UP} is declared affine, which needs biases" in message


def test_pain_30_biases_that_should_not_be_are_an_error(folders, tmp_path):
    message = contradicted(folders, tmp_path, lambda t: None, FORMATS["mxfp4"])
    assert f"biases: {UP} is declared mxfp4, which has no biases" in message


def test_pain_30_scales_of_another_dtype_are_an_error(folders, tmp_path):
    def change(tensors):
        tensors[f"{UP}.scales"] = tensors[f"{UP}.scales"].astype(mx.uint8)

    assert f"scales: {UP}.scales is" in contradicted(folders, tmp_path, change)


def test_pain_30_packed_weights_of_another_dtype_are_an_error(folders, tmp_path):
    def change(tensors):
        tensors[f"{UP}.weight"] = tensors[f"{UP}.weight"].astype(mx.int32)

    message = contradicted(folders, tmp_path, change)
    assert f"not packed: {UP}.weight is mlx.core.int32, expected uint32" in message


def test_pain_30_another_width_is_an_error(folders, tmp_path):
    message = contradicted(
        folders, tmp_path, lambda t: None, {"group_size": 32, "bits": 8, "mode": "affine"}
    )
    assert f"misshapen: {UP}.weight" in message


def test_pain_30_packed_against_the_override_is_an_error(folders, tmp_path):
    block = {**FORMATS["affine-4"], UP: False}
    message = contradicted(folders, tmp_path, lambda t: None, block)
    assert f"packed: {UP} has scales, but config.json declares it not packed" in message


def test_pain_30_declared_but_not_packed_is_an_error(folders, tmp_path):
    gate = "language_model.model.layers.1.mlp.gate_proj"
    block = {**FORMATS["affine-4"], gate: FORMATS["affine-8"]}
    message = contradicted(folders, tmp_path, lambda t: None, block)
    assert f"not packed: {gate} has no scales" in message


def test_pain_30_packed_without_a_word_is_an_error(folders, tmp_path):
    source = folders["e2b-like"]
    packed = pack(our_tensors(source), lambda path: FORMATS["affine-4"] if path == UP else None)
    with pytest.raises(WeightsError, match="has scales, but config"):
        load_model(write(tmp_path / "odd", source, packed, None))


def test_pain_30_a_group_that_does_not_divide_the_rows_is_an_error(folders, tmp_path):
    message = contradicted(
        folders, tmp_path, lambda t: None, {"group_size": 128, "bits": 4, "mode": "affine"}
    )
    assert f"group size: {UP} has rows of 64 values, no multiple of 128" in message


def test_pain_30_a_declared_module_that_is_not_there_is_an_error(folders, tmp_path):
    misspelt = UP.replace("up_proj", "up_prj")
    block = {**FORMATS["affine-4"], misspelt: FORMATS["affine-8"]}
    message = contradicted(folders, tmp_path, lambda t: None, block)
    assert f"nothing there: {misspelt}" in message

"""Names and shapes of the published checkpoints; what does not fit is listed."""

from __future__ import annotations

import json
from collections import Counter

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten

from gemma4_mlx.config import ModelConfig, parameter_shapes
from gemma4_mlx.errors import WeightsError
from gemma4_mlx.model import Gemma4
from gemma4_mlx.tensor_names import is_unused, target_names
from gemma4_mlx.weights import load_weights
from tests.published import DATA, published_tensors


def real_size_model(variant: str) -> Gemma4:
    """A model of published size; its weights are lazy and never made."""
    config = DATA / "configs" / f"gemma-4-{variant}.config.json"
    return Gemma4(ModelConfig.from_dict(json.loads(config.read_text())), {})


def empty(shape: tuple[int, ...]) -> mx.array:
    """Lazy, so that gigabytes cost nothing."""
    return mx.zeros(shape, mx.bfloat16)


VARIANTS = ["E2B-it", "E4B-it", "26B-A4B-it", "31B-it"]


@pytest.mark.parametrize(
    ("variant", "count", "dead"),
    [("E2B-it", 2011, 60), ("E4B-it", 2130, 54), ("26B-A4B-it", 1013, 0), ("31B-it", 1188, 0)],
)
def test_pain_24_every_published_tensor_has_one_place(variant, count, dead):
    model = real_size_model(variant)
    tensors = {name: empty(shape) for name, shape in published_tensors(variant)}
    assert len(tensors) == count
    dropped = load_weights(model, tensors)
    assert len(dropped) == dead
    assert all(".self_attn." in name for name in dropped)
    targets = Counter(
        name
        for source in tensors
        for name in target_names(source)
        if not is_unused(name, model.config)
    )
    assert set(targets.values()) == {1}
    assert set(targets) == {name for name, _ in tree_flatten(model.parameters())}


@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_from_the_config_are_those_of_the_model(variant):
    model = real_size_model(variant)
    shapes = {name: value.shape for name, value in tree_flatten(model.parameters())}
    assert parameter_shapes(model.config) == shapes


@pytest.mark.parametrize("variant", VARIANTS)
def test_mapping_twice_changes_nothing(variant):
    model = real_size_model(variant)
    for source, _ in published_tensors(variant):
        for name in target_names(source):
            assert target_names(name) == (name,)
    ours = {name: empty(value.shape) for name, value in tree_flatten(model.parameters())}
    assert load_weights(model, ours) == ()


@pytest.mark.parametrize("policy", ["plain", "qat"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_pain_30_the_public_4_bit_layouts_load_at_their_real_size(variant, policy):
    """Text and media projections packed, towers in bf16, the router of the experts in 8 bits.

    The repositories from quantization-aware training hold the MLP in 8 bits, too.
    """
    block = "26B-A4B" if variant.startswith("26B") else "E2B_E4B_31B"
    path = DATA / "configs" / f"mlx_quantization_plain-4bit_{block}.json"
    block = json.loads(path.read_text())["quantization"]
    raw = json.loads((DATA / "configs" / f"gemma-4-{variant}.config.json").read_text())
    if policy == "qat":
        layers = range(raw["text_config"]["num_hidden_layers"])
        block |= {
            f"language_model.model.layers.{layer}.mlp.{name}_proj": {"group_size": 64, "bits": 8}
            for layer in layers
            for name in ("gate", "up", "down")
        }
    model = Gemma4(ModelConfig.from_dict({**raw, "quantization": block}), {})
    tensors = {}
    for name, value in tree_flatten(model.parameters()):
        path = name.removesuffix(".weight")
        is_packed = path.endswith(
            (
                "_proj",
                "embed_tokens",
                "embed_tokens_per_layer",
                "_projection",
                "_gate",
                "router.proj",
            )
        )
        if not path.startswith(("language_model.", "embed_")) or not is_packed:
            tensors[name] = empty(value.shape)
            continue
        bits = block.get(path, block)["bits"]
        *rest, width = value.shape
        tensors[name] = mx.zeros((*rest, width * bits // 32), mx.uint32)
        tensors |= {f"{path}.{part}": empty((*rest, width // 64)) for part in ("scales", "biases")}
    packed_bytes = sum(tensor.nbytes for tensor in tensors.values())
    load_weights(model, tensors)
    assert sum(value.nbytes for _, value in tree_flatten(model.parameters())) == packed_bytes
    published_bytes = {
        ("E2B-it", "plain"): 3550670554,
        ("E4B-it", "plain"): 5146800534,
        ("E2B-it", "qat"): 4329240325,
    }
    if (variant, policy) in published_bytes:
        assert packed_bytes == pytest.approx(published_bytes[variant, policy], rel=0.02)


def test_every_tensor_that_does_not_fit_is_listed():
    tensors = {name: empty(shape) for name, shape in published_tensors("E2B-it")}
    del tensors["model.language_model.norm.weight"]
    tensors["model.embed_vision.embedding_projection.weight"] = empty((1536, 700))
    tensors["model.audio_tower.subsample_conv_projection.layer0.conv.weight"] = empty((3, 3))
    tensors["model.language_model.layers.99.self_attn.k_proj.weight"] = empty((3, 3))
    tensors["language_model.model.embed_tokens.weight"] = empty((262144, 1536))
    with pytest.raises(WeightsError) as error:
        load_weights(real_size_model("E2B-it"), tensors)
    lines = error.value.message.splitlines()
    assert lines[0] == "5 tensors do not fit the model:"
    assert [line.split()[0] for line in lines[1:]] == [
        "misshapen:",
        "misshapen:",
        "missing:",
        "twice:",
        "unknown:",
    ]
    assert (
        "misshapen: embed_vision.embedding_projection.weight (1536, 700), expected (1536, 768), "
        "from model.embed_vision.embedding_projection.weight" in lines[2]
    )


def test_a_copy_of_the_tied_head_is_reported():
    tensors = {name: empty(shape) for name, shape in published_tensors("E4B-it")}
    tensors["lm_head.weight"] = empty((262144, 2560))
    assert "lm_head.weight" in load_weights(real_size_model("E4B-it"), tensors)

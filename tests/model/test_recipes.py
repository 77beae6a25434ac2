"""Recipes: what each packs of the published models, to the byte; and what is refused."""

from __future__ import annotations

import copy
import json
from collections import Counter
from functools import cache
from pathlib import Path

import mlx.core as mx
import pytest

from gemma4_mlx.config import ModelConfig, PackedFormat, Quantization, parameter_shapes
from gemma4_mlx.errors import UsageError
from gemma4_mlx.loading import load_model
from gemma4_mlx.memory import planned_weights
from gemma4_mlx.recipes import (
    DEFAULT_RECIPE,
    RECIPES,
    Recipe,
    Rule,
    bits_per_weight,
    end_blocks,
    find_recipe,
    quantization_block,
    uniform_recipe,
    with_off_lattice,
)
from tests.model.packed import our_tensors, pack, write
from tests.parity.configs import CONFIGS
from tests.parity.recipe import write_checkpoint

DATA = Path(__file__).parent.parent / "data" / "configs"
PUBLISHED = ("E2B", "E4B", "26B-A4B", "31B")
EVERYTHING = Recipe("all.v1", "", (Rule("*", PackedFormat(64, 4)),))


@cache
def config_of(variant: str) -> ModelConfig:
    if variant in CONFIGS:
        return ModelConfig.from_dict(CONFIGS[variant])
    return ModelConfig.from_dict(
        json.loads((DATA / f"gemma-4-{variant}-it.config.json").read_text())
    )


def published_block(name: str) -> dict:
    return json.loads((DATA / f"mlx_quantization_{name}.json").read_text())["quantization"]


def by_role(formats: dict[str, PackedFormat]) -> dict[str, str]:
    """Last part of the paths -> how many modules are packed how: "8/64 x4, 4/64 x31"."""
    roles: dict[str, Counter] = {}
    for path, packed in formats.items():
        is_expert = ".experts." in path
        role = ("experts." if is_expert else "") + path.removesuffix(".proj").rpartition(".")[2]
        roles.setdefault(role, Counter())[packed] += 1
    return {
        role: ", ".join(f"{f.bits}/{f.group_size} x{n}" for f, n in sorted(counts.items(), key=str))
        for role, counts in roles.items()
    }


MIXED = {
    "E2B": {
        "embed_tokens": "8/64 x1",
        "embed_tokens_per_layer": "4/64 x1",
        "per_layer_model_projection": "8/64 x1",
        "q_proj": "4/64 x31, 8/64 x4",
        "k_proj": "4/64 x13, 8/64 x2",
        "v_proj": "4/64 x13, 8/64 x2",
        "o_proj": "4/64 x31, 8/64 x4",
        "gate_proj": "4/64 x35",
        "up_proj": "4/64 x35",
        "down_proj": "4/64 x31, 8/64 x4",
        "per_layer_input_gate": "8/64 x35",
        "per_layer_projection": "8/64 x35",
    },
    "E4B": {
        "embed_tokens": "8/64 x1",
        "embed_tokens_per_layer": "4/64 x1",
        "per_layer_model_projection": "8/64 x1",
        "q_proj": "4/64 x38, 8/64 x4",
        "k_proj": "4/64 x22, 8/64 x2",
        "v_proj": "4/64 x22, 8/64 x2",
        "o_proj": "4/64 x38, 8/64 x4",
        "gate_proj": "4/64 x42",
        "up_proj": "4/64 x42",
        "down_proj": "4/64 x38, 8/64 x4",
        "per_layer_input_gate": "8/64 x42",
        "per_layer_projection": "8/64 x42",
    },
    "26B-A4B": {
        "embed_tokens": "8/64 x1",
        "q_proj": "4/64 x28, 8/64 x2",
        "k_proj": "4/64 x28, 8/64 x2",
        "v_proj": "4/64 x24, 8/64 x1",
        "o_proj": "4/64 x28, 8/64 x2",
        "gate_proj": "8/64 x30",
        "up_proj": "8/64 x30",
        "down_proj": "8/64 x30",
        "router": "8/64 x30",
        "experts.gate_proj": "4/64 x30",
        "experts.up_proj": "4/64 x30",
        "experts.down_proj": "4/64 x30",
    },
    "31B": {
        "embed_tokens": "8/64 x1",
        "q_proj": "4/64 x54, 8/64 x6",
        "k_proj": "4/64 x54, 8/64 x6",
        "v_proj": "4/64 x45, 8/64 x5",
        "o_proj": "4/64 x54, 8/64 x6",
        "gate_proj": "4/64 x60",
        "up_proj": "4/64 x60",
        "down_proj": "4/64 x54, 8/64 x6",
    },
}


@pytest.mark.parametrize("variant", PUBLISHED)
def test_pain_16_the_default_keeps_what_is_sensitive(variant):
    assert by_role(find_recipe(DEFAULT_RECIPE).formats(config_of(variant))) == MIXED[variant]


@pytest.mark.parametrize("variant", PUBLISHED)
def test_pain_16_the_default_takes_less_than_five_bits_per_text_weight(variant):
    config = config_of(variant)
    bits = bits_per_weight(config, find_recipe(DEFAULT_RECIPE).formats(config), text_only=True)
    assert 4.5 < bits < 5


# Bytes of all tensors, towers in bf16: E2B, E4B, 26B-A4B, 31B.
BYTES = {
    "gemma4-mixed-4.v1": (3822236614, 5613023700, 16024188060, 19896004312),
    "plain-4": (3550352326, 5146448340, 15340981404, 18411755224),
    "plain-8": (5866263494, 8880624084, 27953417372, 33762858712),
    "qat-q4_0": (3844707270, 5621330388, 16917265564, 20339158744),
    "mxfp4": (3694277574, 5408453076, 15278421148, 19028963032),
    "nvfp4": (3822236614, 5613023700, 16024188060, 19896004312),
    "mxfp8": (5741622214, 8681583060, 27210691740, 32901623512),
    "bf16": (10208596934, 15882203604, 51611872412, 62546177752),
}


def planned_bytes(config: ModelConfig, recipe: Recipe) -> int:
    return planned_weights(config, recipe.formats(config)).nbytes(2)


def test_pain_20_a_name_never_stands_for_other_bytes():
    assert {
        name: tuple(planned_bytes(config_of(variant), recipe) for variant in PUBLISHED)
        for name, recipe in RECIPES.items()
    } == BYTES


@pytest.mark.parametrize("variant", PUBLISHED)
def test_pain_20_plain_is_the_block_of_the_public_repositories(variant):
    config = config_of(variant)
    name = "plain-4bit_26B-A4B" if variant == "26B-A4B" else "plain-4bit_E2B_E4B_31B"
    formats = find_recipe("plain-4").formats(config)
    assert quantization_block(config, formats) == published_block(name)
    assert {path.split(".")[0] for path in formats} >= {"language_model", "embed_vision"}


@pytest.mark.parametrize("variant", [*PUBLISHED, *CONFIGS])
def test_pain_31_nothing_outside_the_text_is_packed(variant):
    config = config_of(variant)
    for recipe in (*RECIPES.values(), uniform_recipe(3, 32), EVERYTHING):
        outside = {
            path
            for path in recipe.formats(config)
            if not path.startswith("language_model.model.") or "norm" in path or "scal" in path
        }
        projections = {"embed_vision", "embed_audio"} if recipe.name.startswith("plain-") else set()
        assert {path.removesuffix(".embedding_projection") for path in outside} <= projections


def test_everything_else_of_the_text_is_packed():
    for variant in PUBLISHED:
        config = config_of(variant)
        matrices = {
            name.removesuffix(".weight")
            for name, shape in parameter_shapes(config).items()
            if name.startswith("language_model.") and len(shape) > 1
        }
        assert EVERYTHING.formats(config).keys() == matrices


def deep(layers: int) -> ModelConfig:
    """A model of so many layers."""
    raw = copy.deepcopy(CONFIGS["31b-like"])
    kinds = ["sliding_attention"] * (layers - 1) + ["full_attention"]
    raw["text_config"] |= {"num_hidden_layers": layers, "layer_types": kinds}
    return ModelConfig.from_dict(raw)


def test_the_ends_grow_with_the_depth():
    ends = {variant: sorted(end_blocks(config_of(variant))) for variant in (*PUBLISHED, "e2b-like")}
    assert ends == {
        "E2B": [0, 1, 33, 34],
        "E4B": [0, 1, 40, 41],
        "26B-A4B": [0, 29],
        "31B": [0, 1, 2, 57, 58, 59],
        "e2b-like": [],
    }
    depths = {count: sorted(end_blocks(deep(count))) for count in (15, 16, 31, 32)}
    assert depths == {15: [], 16: [0, 15], 31: [0, 30], 32: [0, 1, 30, 31]}


@pytest.mark.parametrize(
    ("variant", "recipe"),
    [
        ("e2b-like", DEFAULT_RECIPE),
        ("e2b-like", "nvfp4"),
        *(("26b-like", recipe) for recipe in RECIPES if recipe != "plain-8"),
    ],
)
def test_pain_30_what_is_predicted_is_what_is_written_and_loads(variant, recipe, folders, tmp_path):
    config = config_of(variant)
    formats = RECIPES[recipe].formats(config)

    def arguments(path: str):
        packed = formats.get(path)
        return packed and {
            "bits": packed.bits,
            "group_size": packed.group_size,
            "mode": packed.mode,
        }

    source, tensors = folders[variant]
    packed = pack(tensors, arguments)
    folder = write(tmp_path / "packed", source, packed, quantization_block(config, formats))
    written = mx.load(str(folder / "model.safetensors"))
    assert sum(tensor.nbytes for tensor in written.values()) == planned_bytes(
        config, RECIPES[recipe]
    )
    model = load_model(folder)
    assert sum(1 for module in model.modules() if "scales" in module) == len(formats)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory):
    """Name -> folder, and its tensors in bf16."""
    root, made = tmp_path_factory.mktemp("recipes"), {}
    for name in ("e2b-like", "26b-like"):
        folder = write_checkpoint(root / name, name)
        tensors = our_tensors(folder)
        made[name] = folder, {path: tensor.astype(mx.bfloat16) for path, tensor in tensors.items()}
    return made


@pytest.mark.parametrize("recipe", RECIPES)
def test_pain_30_the_block_says_every_format(recipe):
    config = config_of("26B-A4B")
    formats = RECIPES[recipe].formats(config)
    block = quantization_block(config, formats)
    read = Quantization.from_config({"quantization": block})
    assert (read is None) == (recipe == "bf16")
    assert all(read is not None and read.format_of(path) == formats[path] for path in formats)


def test_pain_30_an_affine_exception_to_another_mode_says_so():
    config = config_of("31B")
    paths = [name.removesuffix(".weight") for name in parameter_shapes(config) if "_proj" in name]
    formats = dict.fromkeys(paths, PackedFormat(32, 4, "mxfp4")) | {paths[0]: PackedFormat(64, 8)}
    block = quantization_block(config, formats)
    assert block is not None
    assert block[paths[0]] == {"group_size": 64, "bits": 8, "mode": "affine"}


def test_rows_that_no_group_of_64_divides_take_narrower_groups():
    # 16 values a row are too few for any group; 96 are three groups of 32.
    formats = find_recipe("gemma4-mixed-4").formats(config_of("e2b-like"))
    layer = "language_model.model.layers.0"
    assert f"{layer}.per_layer_projection" not in formats
    assert formats[f"{layer}.mlp.down_proj"] == PackedFormat(32, 8)
    assert formats[f"{layer}.mlp.up_proj"] == PackedFormat(64, 4)


def test_the_newest_version_is_meant_by_a_bare_name(monkeypatch):
    newer = Recipe("gemma4-mixed-4.v10", "", ())
    older = Recipe("gemma4-mixed-4.v9", "", ())
    recipes = {**RECIPES, newer.name: newer, older.name: older}
    monkeypatch.setattr("gemma4_mlx.recipes.builtin.RECIPES", recipes)
    assert find_recipe("gemma4-mixed-4") is newer
    assert find_recipe("gemma4-mixed-4.v1") is RECIPES[DEFAULT_RECIPE]


@pytest.mark.parametrize("name", ["mixed", "plain", "gemma4-mixed-4.v0", ""])
def test_an_unknown_name_lists_the_known(name):
    with pytest.raises(UsageError, match=r"known are gemma4-mixed-4\.v1, plain-4, plain-8"):
        find_recipe(name)


def test_a_uniform_recipe_is_named_after_its_format():
    recipe = uniform_recipe(6, 128)
    formats = recipe.formats(config_of("26B-A4B"))
    layer = "language_model.model.layers.0"
    assert recipe.name == "affine-6-g128"
    assert formats[f"{layer}.self_attn.q_proj"] == PackedFormat(128, 6)
    assert formats[f"{layer}.router.proj"] == PackedFormat(128, 8)
    # 704 values a row are five and a half groups of 128.
    assert formats[f"{layer}.experts.switch_glu.down_proj"] == PackedFormat(32, 6)


@pytest.mark.parametrize(
    ("bits", "group_size", "message"),
    [(7, 64, "bits is 7: affine knows 2, 3, 4, 5, 6, 8"), (4, 48, "group_size is 48: affine")],
)
def test_a_format_that_no_kernel_knows_is_refused(bits, group_size, message):
    with pytest.raises(UsageError, match=message):
        uniform_recipe(bits, group_size)


def test_what_is_off_the_lattice_takes_the_other_recipe():
    config = config_of("e2b-like")
    lattice = find_recipe("qat-q4_0").formats(config)
    mixed = find_recipe("gemma4-mixed-4").formats(config)
    up, embedding = "language_model.model.layers.0.mlp.up_proj", "language_model.model.embed_tokens"
    formats = with_off_lattice(lattice, {up, embedding}, {up: mixed[up]})
    assert formats[up] == mixed[up] != lattice[up]
    assert embedding not in formats
    assert {path for path in lattice if lattice[path] != formats.get(path)} == {up, embedding}

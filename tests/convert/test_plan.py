"""What will be written: names, sizes and places, for the published models at their real size."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path

import pytest

from convert.plan import PAGE_BYTES, SHARD_BYTES, Part, Plan, plan_files
from convert.source import our_tensors
from gemma4_mlx.config import PER_LAYER_TABLE, ModelConfig, PackedFormat
from gemma4_mlx.errors import UsageError
from gemma4_mlx.memory import planned_weights
from gemma4_mlx.recipes import RECIPES, find_recipe, uniform_recipe
from gemma4_mlx.weight_file import INDEX_NAME, TensorEntry, read_entries
from tests.bench.synthetic import CONFIGS, published_shapes
from tests.published import DATA


def config_of(variant: str) -> ModelConfig:
    path = DATA / "configs" / f"{CONFIGS[variant]}.config.json"
    return ModelConfig.from_dict(json.loads(path.read_text()))


def plan_of(variant: str, recipe: str, **options: int) -> Plan:
    config = config_of(variant)
    entries = {
        name: TensorEntry(name, "BF16", shape, Path("model.safetensors"), 0, 2 * math.prod(shape))
        for name, shape in published_shapes(variant).items()
    }
    tensors, _ = our_tensors(entries, config)
    return plan_files(tensors.values(), find_recipe(recipe).formats(config), **options)


def parts(plan: Plan) -> list[Part]:
    return [part for item in plan.items for part in item.parts]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("variant", ["E2B", "26B-A4B"])
def test_the_size_is_what_the_recipe_says(variant: str, recipe: str):
    config = config_of(variant)
    plan = plan_of(variant, recipe)
    tensor_bytes = sum(part.nbytes for part in parts(plan))
    weights = planned_weights(config, find_recipe(recipe).formats(config))
    assert tensor_bytes == weights.nbytes(2)
    headers = sum(len(header) for header in plan.headers.values())
    index = len(plan.index) if plan.index else 0
    assert plan.total_bytes == tensor_bytes + headers + index


@pytest.mark.parametrize("recipe", ["gemma4-mixed-4.v1", "bf16"])
@pytest.mark.parametrize("variant", CONFIGS)
def test_files_are_of_five_gigabytes_and_hold_every_tensor_once(
    variant: str, recipe: str, tmp_path: Path
):
    plan = plan_of(variant, recipe)
    for name, size in plan.file_bytes.items():
        if name != INDEX_NAME:
            (tmp_path / name).write_bytes(plan.headers[name])
            os.truncate(tmp_path / name, size)
            alone = sum(part.file == name for part in parts(plan)) == 1
            assert size - len(plan.headers[name]) <= SHARD_BYTES or alone
    if plan.index is not None:
        (tmp_path / INDEX_NAME).write_text(plan.index)
        size = json.loads(plan.index)["metadata"]["total_size"]
        assert size == sum(part.nbytes for part in parts(plan))
    found = read_entries(tmp_path)
    assert {
        name: (entry.dtype, entry.shape, entry.path.name, entry.start)
        for name, entry in found.items()
    } == {part.name: (part.dtype, part.shape, part.file, part.start) for part in parts(plan)}


def test_one_file_has_a_plain_name_and_no_index():
    plan = plan_of("E2B", "plain-4")
    assert (list(plan.headers), plan.index) == (["model.safetensors"], None)
    assert list(plan_of("E4B", "plain-4").headers) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]


@pytest.mark.parametrize("recipe", ["gemma4-mixed-4.v1", "qat-q4_0", "nvfp4", "bf16"])
def test_pain_47_the_experts_of_a_layer_lie_together_on_pages(recipe: str):
    plan = plan_of("26B-A4B", recipe)
    layers: dict[int, list[Part]] = {}
    for part in parts(plan):
        if match := re.search(r"layers\.(\d+)\.experts\.", part.name):
            layers.setdefault(int(match[1]), []).append(part)
    assert len(layers) == 30
    for experts in layers.values():
        assert len({part.file for part in experts}) == 1
        assert all(part.start % PAGE_BYTES == 0 for part in experts)
        ends = [part.start + part.nbytes for part in experts]
        assert ends[:-1] == [part.start for part in experts[1:]]


@pytest.mark.parametrize("recipe", ["gemma4-mixed-4.v1", "qat-q4_0", "nvfp4", "bf16"])
@pytest.mark.parametrize("variant", ["E2B", "E4B"])
def test_the_per_layer_table_comes_first_and_lies_on_pages(variant: str, recipe: str):
    plan = plan_of(variant, recipe)
    table = [part for part in parts(plan) if part.name.startswith(f"{PER_LAYER_TABLE}.")]
    assert table == parts(plan)[: len(table)]
    assert all(part.start % PAGE_BYTES == 0 for part in table)


def test_experts_never_part():
    plan = plan_of("26B-A4B", "bf16", shard_bytes=10_000)
    assert (
        sum("experts" in header.decode(errors="replace") for header in plan.headers.values()) == 30
    )


def test_a_group_size_that_does_not_fit_is_named():
    config = config_of("26B-A4B")
    formats = uniform_recipe(4, 64).formats(config)
    path = "language_model.model.layers.0.experts.switch_glu.down_proj"
    formats[path] = PackedFormat(128, 4)
    entries = {
        name: TensorEntry(name, "BF16", shape, Path("m"), 0, 2 * math.prod(shape))
        for name, shape in published_shapes("26B-A4B").items()
    }
    with pytest.raises(UsageError, match=r"experts.*rows of 704 values.*128"):
        plan_files(our_tensors(entries, config)[0].values(), formats)

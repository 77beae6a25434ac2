"""What a conversion writes: loads, computes as the weights it stands for, and packs only text."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from click.testing import CliRunner

from convert import conversion
from convert.choice import choose, lattice_paths
from convert.cli import convert
from convert.conversion import ConversionReport, Settings, convert_checkpoint
from convert.plan import plan_files
from convert.progress import Step
from convert.scan import ON_LATTICE, Lattice
from gemma4_mlx.checkpoint import read_tensors
from gemma4_mlx.config import PER_LAYER_TABLE, ModelConfig
from gemma4_mlx.errors import ModelNotFoundError, UsageError
from gemma4_mlx.loading import load_model
from gemma4_mlx.model import Gemma4
from gemma4_mlx.recipes import RECIPES, Recipe, find_recipe, packable_shapes, uniform_recipe
from gemma4_mlx.recipes.recipe import TEXT
from gemma4_mlx.weights import load_weights, parameters
from tests.convert.checkpoints import (
    bf16_bits,
    change,
    tiny_config,
    values_of,
    write_folder,
    write_source,
)
from tests.parity.configs import CONFIGS

IDS = np.random.default_rng(7).integers(30, 1000, (1, 24))
UP_PROJ = "model.language_model.layers.1.mlp.up_proj.weight"
EMBEDDING = "model.language_model.embed_tokens.weight"
OUR_UP_PROJ = f"{TEXT}.layers.1.mlp.up_proj"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {like: write_source(folder / like, like) for like in CONFIGS}


def converted(
    source: Path, dest: Path, recipe: str | Recipe | None = None, **options: Any
) -> ConversionReport:
    """What is written is as large as was said before."""
    chosen = find_recipe(recipe) if isinstance(recipe, str) else recipe
    settings = Settings(recipe=chosen, **{"card": False, "search": False, **options})
    steps: list[Step] = []
    report = convert_checkpoint(source, dest, settings, on_step=steps.append)
    (plan,) = (step for step in steps if step.step == "plan")
    assert plan.total_bytes == report.quality.weight_bytes
    return report


def unpacked(folder: Path) -> dict[str, mx.array]:
    """The weights of a converted checkpoint, in float32."""
    tensors = read_tensors(folder)
    quantization = ModelConfig.from_folder(folder).quantization
    plain = {}
    for name, tensor in tensors.items():
        path, _, kind = name.rpartition(".")
        if f"{path}.scales" not in tensors:
            plain[name] = tensor.astype(mx.float32)
        elif kind == "weight":
            assert quantization is not None
            packed = quantization.format_of(path)
            assert packed is not None
            scales, biases = (tensors.get(f"{path}.{part}") for part in ("scales", "biases"))
            if biases is not None:
                scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
            sizes = {"group_size": packed.group_size, "bits": packed.bits, "mode": packed.mode}
            plain[name] = mx.dequantize(tensor, scales, biases, **sizes, dtype=mx.float32)
    return plain


def plain_model(folder: Path) -> Gemma4:
    """The model of a converted checkpoint with unpacked weights."""
    raw = json.loads((folder / "config.json").read_text())
    del raw["quantization"], raw["quantization_config"]
    model = Gemma4(ModelConfig.from_dict(raw), {})
    load_weights(model, unpacked(folder), mx.float32)
    return model


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name not in ("bf16", "qat-q4_0")])
@pytest.mark.parametrize("like", ["e2b-like", "26b-like"])
def test_pain_28_30_every_recipe_computes_as_its_weights_unpacked(
    sources: dict[str, Path], tmp_path: Path, like: str, recipe: str
):
    report = converted(sources[like], tmp_path / "dest", recipe)
    logits = load_model(report.dest, dtype=mx.float32)(IDS)
    expected = plain_model(report.dest)(IDS)
    assert float(mx.abs(logits - expected).max()) < 2e-3
    assert float(mx.abs(expected).max()) > 1


@pytest.mark.parametrize("like", CONFIGS)
def test_pain_31_nothing_outside_the_allow_list_is_packed_or_touched(
    sources: dict[str, Path], tmp_path: Path, like: str
):
    report = converted(sources[like], tmp_path / "dest", "plain-4")
    after, before = read_tensors(report.dest), parameters(load_model(sources[like], dtype=None))
    before = {name: array.astype(mx.bfloat16) for name, array in before.items()}
    config = ModelConfig.from_folder(sources[like])
    packed = {name.removesuffix(".scales") for name in after if name.endswith(".scales")}
    assert packed == set(report.quality.tensors) <= set(packable_shapes(config))
    kept = before.keys() - {f"{path}.weight" for path in packed}
    assert {name for name in after if name.rpartition(".")[0] not in packed} == kept
    for name in kept:
        assert after[name].dtype == mx.bfloat16
        assert mx.array_equal(after[name], before[name]), name


def test_bf16_keeps_every_bit(sources: dict[str, Path], tmp_path: Path):
    report = converted(sources["26b-like"], tmp_path / "dest", "bf16")
    assert report.quality.tensors == {}
    ours, theirs = (
        load_model(folder, dtype=mx.float32)(IDS) for folder in (report.dest, sources["26b-like"])
    )
    assert mx.array_equal(ours, theirs)


def test_what_was_written_in_bf16_is_a_source_like_any_other(
    sources: dict[str, Path], tmp_path: Path
):
    """Its tensors have our names and lie in our layout already."""
    between = converted(sources["e2b-like"], tmp_path / "bf16", "bf16").dest
    ours, theirs = (
        read_tensors(converted(source, tmp_path / name, "plain-4").dest)
        for name, source in (("ours", between), ("theirs", sources["e2b-like"]))
    )
    assert ours.keys() == theirs.keys()
    assert all(mx.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("bits", "group_size"), [(2, 32), (3, 64), (5, 32), (6, 128), (8, 32)])
def test_one_format_for_all(sources: dict[str, Path], tmp_path: Path, bits: int, group_size: int):
    recipe = uniform_recipe(bits, group_size)
    report = converted(sources["31b-like"], tmp_path / "dest", recipe)
    error = mx.abs(load_model(report.dest, dtype=mx.float32)(IDS) - plain_model(report.dest)(IDS))
    assert float(error.max()) < 2e-3


def test_the_report_tells_the_errors(sources: dict[str, Path], tmp_path: Path):
    report = converted(sources["e2b-like"], tmp_path / "dest", search=True)
    before, after = (
        parameters(load_model(sources["e2b-like"], dtype=mx.float32)),
        unpacked(report.dest),
    )
    assert set(report.quality.tensors) == set(
        find_recipe(report.quality.recipe).formats(ModelConfig.from_folder(report.dest))
    )
    for path, quality in report.quality.tensors.items():
        reference = before[f"{path}.weight"]
        error = mx.square(after[f"{path}.weight"] - reference).mean() / mx.square(reference).mean()
        assert quality.relative_error == pytest.approx(float(mx.sqrt(error)), rel=1e-3)
        # The table that is only looked up is not searched.
        assert (quality.rounding_error is None) == (path == PER_LAYER_TABLE)
        assert quality.relative_error <= (quality.rounding_error or 1) * 1.0001
    assert report.quality.tensors[OUR_UP_PROJ].packed_as == "affine 4 bits, group 64"


def test_pain_24_dead_keys_and_values_are_dropped_and_told(
    sources: dict[str, Path], tmp_path: Path
):
    steps: list[Step] = []
    settings = Settings(card=False)
    report = convert_checkpoint(
        sources["e2b-like"], tmp_path / "dest", settings, on_step=steps.append
    )
    assert len(report.dropped) == 12
    assert "12 tensors that no layer uses are left out" in {step.detail for step in steps}
    assert not {name.removeprefix("model.") for name in report.dropped} & set(
        read_tensors(report.dest)
    )


def test_weights_in_several_files(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Published checkpoints are, and a source that is smaller than one file is not."""
    whole = converted(sources["26b-like"], tmp_path / "whole").dest
    monkeypatch.setattr(conversion, "plan_files", partial(plan_files, shard_bytes=200_000))
    cut = converted(sources["26b-like"], tmp_path / "cut").dest
    names = {path.name for path in cut.glob("model*.safetensors")}
    assert len(names) > 2
    index = json.loads((cut / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == names
    ours, theirs = read_tensors(cut), read_tensors(whole)
    assert ours.keys() == theirs.keys()
    assert all(mx.array_equal(ours[name], theirs[name]) for name in theirs)


def test_float32_and_float16_sources(tmp_path: Path):
    for dtype in ("F32", "F16"):
        source = write_source(tmp_path / dtype)
        values = values_of(source, UP_PROJ).astype(np.uint32) << 16
        floats = values.view(np.float32)
        change(source, UP_PROJ, floats if dtype == "F32" else floats.astype(np.float16), dtype)
        report = converted(source, tmp_path / f"{dtype}-dest", "plain-8")
        tensors = read_tensors(report.dest)
        assert tensors[f"{OUR_UP_PROJ}.scales"].dtype == mx.bfloat16
        after = unpacked(report.dest)[f"{OUR_UP_PROJ}.weight"]
        assert np.abs(np.array(after) - floats).max() < 0.02


def test_mlx_keeps_as_many_buffers_afterwards_as_before(sources: dict[str, Path], tmp_path: Path):
    ours, before = 12_345_678, mx.set_cache_limit(0)
    try:
        mx.set_cache_limit(ours)
        converted(sources["e2b-like"], tmp_path / "dest")
        assert mx.set_cache_limit(ours) == ours
        with pytest.raises(ModelNotFoundError):
            converted(tmp_path / "nothing", tmp_path / "another")
        assert mx.set_cache_limit(ours) == ours
    finally:
        mx.set_cache_limit(before)


# --- The lattice of quantization-aware training. ---


def on_lattice(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Whole numbers from -8 to 7 times one step for every 32 values, as bits of bf16."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(-8, 8, (*shape[:-1], shape[-1] // 32, 32))
    codes[..., 0] = -8
    steps = bf16_bits(rng.uniform(0.001, 0.01, (*codes.shape[:-1], 1))).astype(np.uint32) << 16
    return bf16_bits((codes * steps.view(np.float32)).reshape(shape))


@pytest.fixture(scope="module", params=["e2b-like", "26b-like"])
def lattice_source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    from unittest.mock import patch

    from tests.parity import recipe

    config = tiny_config(request.param)
    packable = set(packable_shapes(ModelConfig.from_dict(config)))
    with patch.dict(CONFIGS, {request.param: config}):
        shapes = dict(recipe.shapes(request.param))
    tensors = {}
    for seed, (name, shape) in enumerate(shapes.items()):
        is_text = "language_model" in name and len(shape) > 1 and "router" not in name
        is_text = is_text and shape[-1] % 32 == 0
        values = (
            on_lattice(shape, seed)
            if is_text
            else bf16_bits(recipe.tensor("e2b-like", name, shape))
        )
        tensors[name] = ("BF16", values)
    assert packable
    return write_folder(tmp_path_factory.mktemp("lattice") / "source", config, tensors)


def test_pain_17_weights_on_the_lattice_are_found_and_kept_exactly(
    lattice_source: Path, tmp_path: Path
):
    report = converted(lattice_source, tmp_path / "dest")
    assert report.quality.recipe == "qat-q4_0"
    tensors = report.quality.tensors
    before, after = parameters(load_model(lattice_source, dtype=mx.float32)), unpacked(report.dest)
    exact = {path for path, quality in tensors.items() if quality.exact_share is not None}
    assert all(tensors[path].exact_share == 1.0 for path in exact)
    assert {path for path in tensors if "router" in path} == tensors.keys() - exact
    for path in exact:
        # The product of a whole number and the step has more bits than bf16 keeps.
        ours, theirs = (each[f"{path}.weight"].astype(mx.bfloat16) for each in (after, before))
        assert mx.array_equal(ours, theirs), path
        assert tensors[path].relative_error < 0.003
        assert (tensors[path].rounding_error or 0) > 0.01


def test_pain_17_another_recipe_is_warned_of(lattice_source: Path, tmp_path: Path):
    report = converted(lattice_source, tmp_path / "dest", "plain-4")
    assert any("throws away" in note for note in report.notes)
    assert converted(lattice_source, tmp_path / "bf16", "bf16").notes == ()


def test_a_tensor_off_the_lattice_gets_the_mixed_recipe(lattice_source: Path, tmp_path: Path):
    source = tmp_path / "source"
    source.symlink_to(lattice_source)
    values = bf16_bits(np.random.default_rng(0).normal(size=values_of(source, UP_PROJ).shape))
    copy = Path(shutil.copytree(lattice_source, tmp_path / "copy"))
    change(copy, UP_PROJ, values)
    report = converted(copy, tmp_path / "dest")
    assert report.quality.recipe == "qat-q4_0"
    assert report.quality.tensors[OUR_UP_PROJ].exact_share is None
    assert any(OUR_UP_PROJ in note for note in report.notes)


@pytest.mark.parametrize(("damaged", "is_kept"), [(1, True), (3, False)])
def test_pain_17_a_tensor_nearly_all_on_the_lattice_stands_on_it(
    lattice_source: Path, tmp_path: Path, damaged: int, is_kept: bool
):
    """One block in a hundred may be off it, which then is packed like ordinary weights."""
    source = Path(shutil.copytree(lattice_source, tmp_path / "source"))
    # Of 192 blocks, and of a table of which only every so many rows are looked at first.
    for name, rows in ((UP_PROJ, range(damaged)), (EMBEDDING, range(1, 2))):
        values = values_of(source, name)
        for row in rows:
            values[row, :32] = bf16_bits(np.linspace(-1.0, 0.93, 32))
        change(source, name, values)
    report = converted(source, tmp_path / "dest")
    assert report.quality.recipe == "qat-q4_0"
    tensors = report.quality.tensors
    assert tensors[OUR_UP_PROJ].exact_share == (1 - damaged / 192 if is_kept else None)
    blocks = values_of(source, EMBEDDING).size // 32
    assert tensors[f"{TEXT}.embed_tokens"].exact_share == pytest.approx(1 - 1 / blocks, abs=1e-9)


@pytest.mark.parametrize(("share", "recipe"), [(90, "gemma4-mixed-4.v1"), (91, "qat-q4_0")])
def test_pain_17_the_recipe_is_chosen_by_where_nearly_all_values_stand(share: int, recipe: str):
    config = ModelConfig.from_dict(CONFIGS["31b-like"])
    on, off, *_ = lattice_paths(config)
    lattice = Lattice({on: ON_LATTICE, off: 0.5}, {on: share, off: 100 - share})
    assert choose(None, lattice, config).recipe == recipe


def test_pain_17_the_lattice_recipe_needs_a_lattice(sources: dict[str, Path], tmp_path: Path):
    with pytest.raises(UsageError, match="no tensor of the source stands on the Q4_0 lattice"):
        converted(sources["e2b-like"], tmp_path / "dest", "qat-q4_0")
    assert list(tmp_path.iterdir()) == []


def test_zeros_are_no_lattice(tmp_path: Path):
    source = write_source(tmp_path / "source", "31b-like")
    index = json.loads((source / "model.safetensors.index.json").read_text())
    for name in index["weight_map"]:
        change(source, name, np.zeros_like(values_of(source, name)))
    report = converted(source, tmp_path / "dest")
    assert report.quality.recipe == "gemma4-mixed-4.v1"
    assert all(quality.relative_error == 0 for quality in report.quality.tensors.values())


# --- The command. ---


def test_the_command_tells_every_step_as_json(sources: dict[str, Path], tmp_path: Path):
    dest = tmp_path / "dest"
    options = ["--json", "--no-card", "--no-search", "--bits", "6"]
    done = CliRunner().invoke(convert, [str(sources["e4b-like"]), str(dest), *options])
    assert done.exit_code == 0, done.output
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    order = list(dict.fromkeys(step["step"] for step in steps))
    assert order == ["plan", "scan", "files", "tensor", "verify", "done"]
    plan, last = steps[0], steps[-1]
    weights = sum(path.stat().st_size for path in dest.glob("model*"))
    assert plan["total_bytes"] == last["done_bytes"] == weights
    assert "affine-6-g64" in plan["detail"]
    tensors = [step for step in steps if step["step"] == "tensor"]
    assert [step["done_tensors"] for step in tensors] == [*range(1, len(tensors) + 1)]
    assert tensors[-1]["done_bytes"] == tensors[-1]["total_bytes"]


def test_the_command_says_what_it_made(sources: dict[str, Path], tmp_path: Path):
    done = CliRunner().invoke(
        convert, [str(sources["31b-like"]), str(tmp_path / "dest"), "--no-card"]
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.count("\n") == 1
    assert "recipe gemma4-mixed-4.v1" in done.stdout
    assert "bits per weight" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["source"],
        ["source", "dest", "--recipe", "bf16", "--bits", "4"],
        ["source", "dest", "--group-size", "32"],
        ["source", "dest", "--against", "other"],
        ["source", "dest", "--card-only", "--against", "other"],
        ["source", "--card-only"],
        ["source", "dest", "--calibrate", "text.txt", "--no-search"],
    ],
)
def test_options_that_contradict_each_other(arguments: list[str]):
    assert CliRunner().invoke(convert, arguments).exit_code == 2

"""The table of per-layer embeddings in its file: the same to the bit, and not in memory."""

from __future__ import annotations

import gc
import json
import mmap
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx import prefill
from gemma4_mlx.errors import CheckpointError, UsageError, WeightsError
from gemma4_mlx.generate import generate_tokens
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.loading import load_model
from gemma4_mlx.model import Gemma4
from gemma4_mlx.text import mapped_table
from gemma4_mlx.text.mapped_table import MappedTable
from gemma4_mlx.weight_file import read_entries
from gemma4_mlx.weights import parameters
from tests.model.packed import our_tensors, pack, write
from tests.parity.cases import Case, Clip, Image, Text
from tests.parity.recipe import write_checkpoint

TABLE = "language_model.model.embed_tokens_per_layer"
FORMATS = {
    "bf16": None,
    "float32": None,
    "affine-4": {"group_size": 32, "bits": 4, "mode": "affine"},
    "affine-8": {"group_size": 32, "bits": 8, "mode": "affine"},
    "mxfp4": {"group_size": 32, "bits": 4, "mode": "mxfp4"},
    "nvfp4": {"group_size": 16, "bits": 4, "mode": "nvfp4"},
    "mxfp8": {"group_size": 32, "bits": 8, "mode": "mxfp8"},
}
DTYPES = [mx.float32, mx.bfloat16]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> dict[str, Path]:
    """One checkpoint for each way in which the table may be held."""
    root, tensors = tmp_path_factory.mktemp("tables"), our_tensors(tiny_folder)
    folders = {}
    for name, chosen in FORMATS.items():
        held = {
            path: tensor.astype(mx.float32 if name == "float32" else mx.bfloat16)
            for path, tensor in tensors.items()
        }
        packed = pack(held, lambda path, form=chosen: form if path == TABLE else None)
        folders[name] = write(root / name, tiny_folder, packed, chosen)
    return folders


def both(folder: Path, dtype: mx.Dtype = mx.float32) -> tuple[Gemma4, Gemma4]:
    """The model with its table in memory, and with its table in its file."""
    resident = load_model(folder, dtype=dtype, per_layer_table="resident")
    return resident, load_model(folder, dtype=dtype, per_layer_table="mapped")


def assert_same(one: mx.array, other: mx.array) -> None:
    """Equal to the bit."""
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    raw = [np.array(array.view(mx.uint8)) for array in (one, other)]
    np.testing.assert_array_equal(*raw)


def table(model: Gemma4):
    return model.language_model.model.embed_tokens_per_layer


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FORMATS)
def test_pain_48_mapped_rows_are_the_resident_ones(checkpoints, name, dtype):
    resident, mapped = both(checkpoints[name], dtype)
    assert isinstance(table(mapped), MappedTable)
    every_row = mx.arange(288)[None]
    pad = resident.config.text_config.pad_token_id
    some = mx.array([[5, 5, 287, 0, 5], [pad, pad, 17, 0, 287]])
    for ids in (every_row, some, mx.array([[3]])):
        rows = table(mapped)(ids)
        assert_same(rows, table(resident)(ids))
        assert rows.abs().max() > 0.1


@pytest.mark.parametrize(("name", "dtype"), [("bf16", mx.bfloat16), ("affine-4", mx.float32)])
def test_pain_48_logits_are_the_resident_ones_with_media_too(checkpoints, name, dtype):
    resident, mapped = both(checkpoints[name], dtype)
    pieces = (Text(6), Image(6, 6), Text(3), Clip(40), Text(8))
    inputs = Case("e2b-like", "all", pieces, 1).inputs()
    assert_same(mapped(**inputs), resident(**inputs))


def read_and_write(model: Gemma4) -> tuple[mx.array, list[int]]:
    """The last row's logits of a prompt read in chunks, and greedy tokens after it."""
    ids = np.random.default_rng(3).integers(3, 250, (1, 37)).astype(np.int32)
    inputs = ModelInputs(ids, np.zeros_like(ids))
    steps = prefill.prefill(model, inputs, model.make_cache())
    while True:
        try:
            next(steps)
        except StopIteration as end:
            logits = end.value
            break
    written = generate_tokens(
        model, inputs, sampler=lambda row: mx.argmax(row, axis=-1), stop_ids=(), max_tokens=12
    )
    return logits, [token for token in written if isinstance(token, int)]


def test_pain_48_prefill_in_chunks_and_decoding_are_the_resident_ones(checkpoints, monkeypatch):
    monkeypatch.setattr(prefill.plan_chunks, "__defaults__", (16,))
    resident, mapped = both(checkpoints["affine-4"])
    (expected, tokens), (logits, mapped_tokens) = read_and_write(resident), read_and_write(mapped)
    assert_same(logits, expected)
    assert mapped_tokens == tokens
    assert len(set(tokens)) > 3


def test_a_step_takes_a_token_that_is_not_computed_yet(checkpoints):
    resident, mapped = both(checkpoints["affine-4"])
    lazy = [mx.argmax(mx.eye(288)[200:201] * 3, axis=-1)[:, None] for _ in range(2)]
    models = (resident, mapped)
    steps = [model.step(token, None) for model, token in zip(models, lazy, strict=True)]
    assert_same(*steps)


@pytest.mark.usefixtures("exact_memory")
def test_pain_48_the_table_is_not_in_memory(checkpoints):
    """Neither as a parameter nor otherwise; and all else is."""
    gc.collect()
    before = mx.get_active_memory()
    resident = load_model(checkpoints["affine-4"], per_layer_table="resident")
    taken = mx.get_active_memory() - before
    gone = {name: array.nbytes for name, array in parameters(resident).items() if TABLE in name}
    assert len(gone) == 3
    names = parameters(resident).keys() - gone.keys()
    del resident
    gc.collect()
    assert mx.get_active_memory() == before
    mapped = load_model(checkpoints["affine-4"], per_layer_table="mapped")
    spared, pages = taken - (mx.get_active_memory() - before), 3 * mmap.PAGESIZE
    assert sum(gone.values()) <= spared <= sum(gone.values()) + pages
    assert parameters(mapped).keys() == names
    on_disk = sum(entry.nbytes for entry in read_entries(checkpoints["affine-4"]).values())
    assert 0 < table(mapped).nbytes < on_disk
    assert mapped.mapped_tensors == tuple(sorted(gone))


def test_the_names_of_the_file_are_reported_and_progress_counts_what_is_read(tiny_folder):
    seen = []
    model = load_model(
        tiny_folder, per_layer_table="mapped", on_progress=lambda *done: seen.append(done)
    )
    assert model.mapped_tensors == ("model.language_model.embed_tokens_per_layer.weight",)
    decoder = [value for name, value in parameters(model).items() if "language_model" in name]
    total = sum(array.nbytes for array in decoder)
    assert seen[-1] == (total, total)


def test_every_tensor_of_the_table_is_checked(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints["affine-4"], tmp_path / "odd")
    tensors = mx.load(str(folder / "model.safetensors"))
    tensors[f"{TABLE}.scales"] = tensors[f"{TABLE}.scales"][:-1]
    mx.eval(tensors)
    mx.save_safetensors(str(folder / "model.safetensors"), tensors)
    with pytest.raises(WeightsError, match=rf"misshapen: {TABLE}\.scales"):
        load_model(folder, per_layer_table="mapped")


def test_the_system_is_told_that_rows_are_read_here_and_there(tiny_folder, monkeypatch):
    advised = []

    class Advised(mapped_table.mmap.mmap):
        def madvise(self, *advice):
            advised.append(advice)
            super().madvise(*advice)

    monkeypatch.setattr(mapped_table.mmap, "mmap", Advised)
    load_model(tiny_folder, per_layer_table="mapped")
    assert advised == [(mapped_table.mmap.MADV_RANDOM,)]


def shifted(folder: Path, target: Path, by: int) -> Path:
    """The same checkpoint, its tensors `by` bytes further behind in the file."""
    shutil.copytree(folder, target)
    raw = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.dumps(json.loads(raw[8 : 8 + length])).encode() + b" " * by
    weights = struct.pack("<Q", len(header)) + header + raw[8 + length :]
    (target / "model.safetensors").write_bytes(weights)
    return target


@pytest.mark.parametrize("by", [0, 1, 2, 3])
def test_tensors_may_begin_at_any_byte(checkpoints, tmp_path, by):
    resident, mapped = both(shifted(checkpoints["affine-4"], tmp_path / "shifted", by))
    ids = mx.arange(288)[None]
    assert_same(table(mapped)(ids), table(resident)(ids))


@pytest.mark.parametrize("ids", [[[-1]], [[288]], [[5, 10**6]]])
def test_ids_without_a_row_are_refused(tiny_folder, ids):
    mapped = load_model(tiny_folder, per_layer_table="mapped")
    with pytest.raises(UsageError, match="has 288 rows"):
        table(mapped)(mx.array(ids))


def test_a_model_without_such_a_table_says_so(tmp_path):
    folder = write_checkpoint(tmp_path / "26b-like", "26b-like")
    with pytest.raises(UsageError, match="no table of per-layer embeddings"):
        load_model(folder, per_layer_table="mapped")


def test_an_unknown_choice_names_the_known_ones(tiny_folder):
    with pytest.raises(UsageError, match="'auto', 'resident', 'mapped'"):
        load_model(tiny_folder, per_layer_table="on disk")  # pyright: ignore[reportArgumentType]


def test_a_file_that_is_cut_short_in_use_is_an_error_not_a_crash(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints["affine-4"], tmp_path / "cut")
    mapped = load_model(folder, per_layer_table="mapped")
    os.truncate(folder / "model.safetensors", 4096)
    with pytest.raises(CheckpointError, match="cut short while the model was in use"):
        mapped(np.array([[5, 6]]))


def test_a_file_that_is_replaced_in_use_stays_what_it_was(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints["affine-4"], tmp_path / "replaced")
    resident, mapped = both(folder)
    shutil.copy(checkpoints["bf16"] / "model.safetensors", tmp_path / "new")
    os.replace(tmp_path / "new", folder / "model.safetensors")
    assert_same(mapped(np.array([[5, 6]])), resident(np.array([[5, 6]])))


def test_a_file_that_is_another_when_it_is_mapped_is_refused(checkpoints):
    resident = load_model(checkpoints["affine-4"], per_layer_table="resident")
    entries = read_entries(checkpoints["bf16"])
    named = {"weight": entries[f"{TABLE}.weight"], "scales": None, "biases": None}
    with pytest.raises(CheckpointError, match="cannot stand for"):
        MappedTable(table(resident), named)


def test_a_table_of_numbers_that_are_none_is_refused(checkpoints):
    resident = load_model(checkpoints["bf16"], per_layer_table="resident")
    entry = replace(read_entries(checkpoints["bf16"])[f"{TABLE}.weight"], dtype="F8_E4M3")
    with pytest.raises(CheckpointError, match=r"F8_E4M3 .* which cannot stand for"):
        MappedTable(table(resident), {"weight": entry})

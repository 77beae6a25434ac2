"""From a name to a model; what is not there is said."""

from __future__ import annotations

import gc
import shutil

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

from gemma4_mlx import loading
from gemma4_mlx.checkpoint import read_tensors
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import (
    AttachmentError,
    CheckpointError,
    MemoryLimitError,
    ModelNotFoundError,
    UsageError,
    WeightsError,
)
from gemma4_mlx.loading import find_checkpoint, load_model
from gemma4_mlx.memory import Machine, checkpoint_weights
from gemma4_mlx.memory.plan import COMFORT_SHARE
from gemma4_mlx.weights import parameters
from tests.model.packed import our_tensors, pack, write


def test_the_default_dtype_on_the_cpu_is_float32(tiny_folder):
    with mx.stream(mx.cpu):
        model = load_model(tiny_folder)
    expected = mx.bfloat16 if mx.default_device() == mx.gpu else mx.float32
    assert {value.dtype for _, value in tree_flatten(model.parameters())} == {expected}


def test_logits_are_float32_in_any_dtype(tiny_folder):
    model = load_model(tiny_folder, dtype=mx.bfloat16)
    logits = model(np.array([[5, 6, 7]]))
    assert logits.dtype == mx.float32
    assert logits.shape == (1, 3, 288)


def test_progress_ends_at_all_bytes(tiny_folder):
    seen = []
    model = load_model(tiny_folder, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    decoder = tree_flatten(model.language_model.parameters())
    assert seen[-1][1] == sum(value.nbytes for _, value in decoder)


def test_pain_52_a_damaged_checkpoint_is_refused(tiny_folder, tmp_path):
    damaged = shutil.copytree(tiny_folder, tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="its header says"):
        load_model(damaged)


@pytest.mark.parametrize("name", ["no-such-model", "./here/it/is", "a/b/c", "~/model"])
def test_a_name_that_is_nothing_is_refused_with_a_hint(name):
    with pytest.raises(ModelNotFoundError, match="neither a folder nor a hub id") as error:
        find_checkpoint(name)
    assert "pocket" in error.value.hint


def test_a_hub_id_that_cannot_be_fetched_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="could not be fetched"):
        find_checkpoint("nobody/nothing-4-E2B")


def test_pain_24_tensors_without_use_are_told(tiny, tiny_folder):
    """The file of this checkpoint holds keys and values of the layers that share others'."""
    assert tiny.unused_tensors
    assert all(".self_attn." in name for name in tiny.unused_tensors)
    from_clean_file = {name for name, _ in tree_flatten(tiny.parameters())}
    assert not any("unused" in name for name in from_clean_file)


def test_a_folder_of_its_name_does_not_hide_the_bundled_model(tmp_path, monkeypatch):
    (tmp_path / "pocket").mkdir()
    monkeypatch.chdir(tmp_path)
    assert (find_checkpoint("pocket") / "config.json").is_file()
    assert find_checkpoint("./pocket").resolve() == tmp_path / "pocket"
    with pytest.raises(ModelNotFoundError):
        find_checkpoint("")


@pytest.mark.parametrize("dtype", ["float32", mx.int8])
def test_weights_are_floats_of_a_type_that_is_there(tiny_folder, dtype):
    with pytest.raises(UsageError, match=r"dtype=.*: expected None or one of mx.bfloat16, mx"):
        load_model(tiny_folder, dtype=dtype)


@pytest.mark.parametrize("ids", [[[10**8, 5]], [[-1, 5]], [[288, 1]], [1, 2], [[]]])
def test_ids_that_are_no_tokens_are_refused(tiny, ids):
    with pytest.raises(UsageError, match="input_ids"):
        tiny(np.array(ids))


def test_a_picture_beyond_the_table_of_positions_is_refused(tiny):
    columns = 66
    row, column = np.divmod(np.arange(3 * columns), columns)
    positions = np.stack([column, row], axis=-1)[None].astype(np.int32)
    pixels = np.zeros((1, 3 * columns, 768), np.float32)
    ids = np.full((1, columns // 3), tiny.config.image_token_id)
    with pytest.raises(AttachmentError, match=r"66 x 3 patches.*up to 64"):
        tiny(ids, pixel_values=pixels, image_position_ids=positions)


@pytest.mark.parametrize("real", [[], [1, 2, 3], [0, 1, 3]], ids=str)
def test_frames_of_a_clip_that_do_not_come_first_are_refused(tiny, real):
    features, mask = np.zeros((1, 4, 128), np.float32), np.isin(np.arange(4), real)[None]
    ids = np.full((1, 1), tiny.config.audio_token_id)
    with pytest.raises(UsageError, match="clip 0: real frames must come first"):
        tiny(ids, input_features=features, input_features_mask=mask)


def test_pain_24_with_or_without_them_it_is_the_same_model(tiny, tiny_folder, tmp_path):
    clean = shutil.copytree(tiny_folder, tmp_path / "clean")
    tensors = read_tensors(tiny_folder)
    kept = {name: array for name, array in tensors.items() if name not in tiny.unused_tensors}
    assert len(kept) < len(tensors)
    mx.save_safetensors(str(clean / "model.safetensors"), kept)
    model = load_model(clean, dtype=mx.float32)
    assert model.unused_tensors == ()
    ids = np.arange(5, 45)[None]
    np.testing.assert_array_equal(np.array(model(ids)), np.array(tiny(ids)))


def on_a_machine_of(usable_bytes: float, monkeypatch) -> None:
    machine = Machine(int(usable_bytes), int(usable_bytes), item_bytes=4)
    monkeypatch.setattr(loading, "this_machine", lambda info: machine)


def test_pain_48_the_table_is_mapped_where_memory_is_tight(tiny_folder, monkeypatch):
    roomy = load_model(tiny_folder, dtype=mx.float32)
    plan = roomy.plan
    assert plan.verdict == "fits"
    assert roomy.mapped_tensors == ()
    table_bytes = plan.weights.nbytes(4, "per_layer_table")
    assert table_bytes == 288 * 160 * 4
    on_a_machine_of((plan.total_bytes - table_bytes / 2) / (1 - COMFORT_SHARE), monkeypatch)
    small = load_model(tiny_folder, dtype=mx.float32)
    assert small.plan.choice.per_layer_table == "mapped"
    assert small.mapped_tensors == ("model.language_model.embed_tokens_per_layer.weight",)
    held = load_model(tiny_folder, dtype=mx.float32, per_layer_table="resident")
    assert held.mapped_tensors == ()
    ids = np.arange(5, 45)[None]
    np.testing.assert_array_equal(np.array(small(ids)), np.array(roomy(ids)))


@pytest.mark.usefixtures("exact_memory")
def test_pain_22_a_model_that_does_not_fit_is_refused_before_it_is_read(tiny_folder, monkeypatch):
    on_a_machine_of(50_000_000, monkeypatch)
    gc.collect()
    before = mx.get_active_memory()
    with pytest.raises(MemoryLimitError, match=r"this machine has 0.05 GB to use"):
        load_model(tiny_folder)
    gc.collect()
    assert mx.get_active_memory() == before


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16], ids=str)
def test_the_planned_weights_are_those_that_the_headers_tell(tiny_folder, tmp_path, dtype):
    chosen = {"group_size": 32, "bits": 4, "mode": "affine"}
    held = {name: tensor.astype(mx.bfloat16) for name, tensor in our_tensors(tiny_folder).items()}
    packed = pack(
        held, lambda path: chosen if path.endswith(("tokens_per_layer", "proj")) else None
    )
    folder = write(tmp_path / "packed", tiny_folder, packed, chosen)
    model = load_model(folder, dtype=dtype)
    assert model.plan.weights.parts == checkpoint_weights(folder, model.config).parts
    loaded = sum(array.nbytes for array in parameters(model).values())
    assert model.plan.weights.nbytes(dtype.size) == loaded


def test_bf16_is_planned_as_bf16(tiny_folder):
    halves, wholes = (
        load_model(tiny_folder, dtype=each).plan for each in (mx.bfloat16, mx.float32)
    )
    assert (halves.machine.item_bytes, wholes.machine.item_bytes) == (2, 4)


def test_pain_01_a_tower_without_weights_is_not_there_and_that_is_said(
    tiny_folder, tmp_path, caplog
):
    """As other programs write it: the text part alone, config.json as it was."""
    folder = shutil.copytree(tiny_folder, tmp_path / "text-only")
    text = {
        name: tensor for name, tensor in read_tensors(folder).items() if "language_model" in name
    }
    mx.eval(text)
    mx.save_safetensors(str(folder / "model.safetensors"), text)
    config = ModelConfig.from_folder(folder)
    assert (config.vision_config, config.audio_config) == (None, None)
    model = load_model(folder, dtype=mx.float32)
    assert "no weights of the vision tower" in caplog.text
    whole = load_model(tiny_folder, dtype=mx.float32)
    ids = np.array([[5, 6, 7]])
    np.testing.assert_array_equal(np.array(model(ids)), np.array(whole(ids)))
    with pytest.raises(AttachmentError, match="no vision tower"):
        model.encode_images(np.zeros((1, 9, 27)), np.zeros((1, 9, 2)))


def test_pain_01_half_a_tower_is_an_error(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "half")
    tensors = read_tensors(folder)
    kept = {name: tensor for name, tensor in tensors.items() if "vision_tower.encoder" not in name}
    mx.eval(kept)
    mx.save_safetensors(str(folder / "model.safetensors"), kept)
    with pytest.raises(WeightsError, match=r"missing: vision_tower\.encoder"):
        load_model(folder)

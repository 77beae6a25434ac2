"""Weight files are checked before anything is read from them."""

from __future__ import annotations

import json
from pathlib import Path

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.checkpoint import read_optional_json, read_shard, shard_paths
from gemma4_mlx.errors import CheckpointError, ModelNotFoundError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shard") / "model.safetensors"
    mx.save_safetensors(str(path), {"a": mx.arange(40), "b": mx.ones((2, 3))})
    return path


def test_a_whole_file_is_read(whole):
    assert {name: array.shape for name, array in read_shard(whole).items()} == {
        "a": (40,),
        "b": (2, 3),
    }


@given(share=st.floats(0, 0.999))
def test_pain_52_a_file_cut_anywhere_is_an_error(share, whole, tmp_path_factory):
    data = whole.read_bytes()
    cut = tmp_path_factory.mktemp("cut") / "model.safetensors"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match=r"model\.safetensors") as error:
        read_shard(cut)
    assert "download it again" in error.value.hint


def test_pain_52_a_file_that_is_too_long_is_an_error(whole, tmp_path):
    longer = tmp_path / "model.safetensors"
    longer.write_bytes(whole.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match="its header says"):
        read_shard(longer)


def test_a_damaged_header_is_an_error(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes((5).to_bytes(8, "little") + b"{oops")
    with pytest.raises(CheckpointError, match="damaged header"):
        read_shard(path)


def test_the_index_is_law(tmp_path):
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (tmp_path / shards["a"]).touch()
    with pytest.raises(ModelNotFoundError, match=r"model-00002-of-00002\.safetensors"):
        shard_paths(tmp_path)
    (tmp_path / shards["b"]).touch()
    assert [path.name for path in shard_paths(tmp_path)] == sorted(shards.values())


def test_a_folder_without_weights_is_an_error(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"no model\.safetensors"):
        shard_paths(tmp_path)


def test_optional_files(tmp_path):
    path = tmp_path / "generation_config.json"
    assert read_optional_json(path) == {}
    path.write_text("[1]")
    with pytest.raises(CheckpointError, match="must hold a JSON object"):
        read_optional_json(path)
    path.write_text("{,}")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        read_optional_json(path)

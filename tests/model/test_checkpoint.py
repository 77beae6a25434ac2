"""Weight files are checked before anything is read from them."""

from __future__ import annotations

import json
from pathlib import Path

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx import weight_file
from gemma4_mlx.checkpoint import read_optional_json, read_tensors
from gemma4_mlx.errors import CheckpointError, ModelNotFoundError
from gemma4_mlx.weight_file import read_header, shard_paths


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shard") / "model.safetensors"
    mx.save_safetensors(str(path), {"a": mx.arange(40), "b": mx.ones((2, 3))})
    return path


def test_a_whole_file_is_read(whole):
    assert {name: array.shape for name, array in read_tensors(whole.parent).items()} == {
        "a": (40,),
        "b": (2, 3),
    }


@given(share=st.floats(0, 0.999))
def test_pain_52_a_file_cut_anywhere_is_an_error(share, whole, tmp_path_factory):
    data = whole.read_bytes()
    cut = tmp_path_factory.mktemp("cut") / "model.safetensors"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match=r"model\.safetensors") as error:
        read_header(cut)
    assert "download it again" in error.value.hint


def test_pain_52_a_file_that_is_too_long_is_an_error(whole, tmp_path):
    longer = tmp_path / "model.safetensors"
    longer.write_bytes(whole.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match="its header says"):
        read_header(longer)


def test_a_damaged_header_is_an_error(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes((5).to_bytes(8, "little") + b"{oops")
    with pytest.raises(CheckpointError, match=r"header of .* is not valid JSON"):
        read_header(path)


def written(path: Path, header: dict, data: bytes = b"") -> Path:
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(start: int, stop: int, count: int = 1) -> dict:
    return {"dtype": "F32", "shape": [count], "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": entry(0, 4), "b": entry(2, 6)}, "b begins at byte 2 of the data, expected 4"),
        ({"a": entry(0, 4), "b": entry(8, 12)}, "b begins at byte 8 of the data, expected 4"),
        ({"a": entry(0, 8)}, "a has 8 bytes, its shape and dtype say 4"),
        ({"a": entry(4, 0)}, "a has -4 bytes"),
        ({"a": entry(-4, 0)}, "entry of a is damaged"),
        ({"a": entry(0, 4.0)}, "entry of a is damaged"),
        ({"a": entry(0, 4, -1)}, "entry of a is damaged"),
        ({"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, "entry of a is damaged"),
        ({"a": entry(0, 12, 3), "__metadata__": 5}, "cannot be read"),
        ({"a": entry(0, 4000, 1000)}, "bytes, its header says"),
        ({"a": {"dtype": "F32", "shape": [1]}}, "entry of a is damaged"),
        ({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, "entry of a is damaged"),
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b"[]", "must hold a JSON object"),
    ],
)
def test_headers_that_lie_are_refused_before_anything_is_read(tmp_path, header, message):
    written(tmp_path / "model.safetensors", header, b"\0" * 12)
    with pytest.raises(CheckpointError, match=message) as error:
        read_tensors(tmp_path)
    assert error.value.exit_code == 3


def test_a_header_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        read_header(path)


def test_no_more_is_read_than_a_header_may_have(whole, monkeypatch):
    monkeypatch.setattr(weight_file, "_HEADER_LIMIT_BYTES", 50)
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        read_header(whole)


def index(folder: Path, **weight_map: object) -> None:
    content = json.dumps({"weight_map": weight_map})
    (folder / "model.safetensors.index.json").write_text(content)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors"])
def test_an_index_that_leads_outside_is_refused(tmp_path, name):
    index(tmp_path, a=name)
    with pytest.raises(CheckpointError, match="a file outside the folder"):
        shard_paths(tmp_path)


def test_an_index_of_another_form_is_refused(tmp_path):
    index(tmp_path, a=1)
    with pytest.raises(CheckpointError, match="weight_map must name a file for each tensor"):
        shard_paths(tmp_path)


def test_a_tensor_in_two_files_or_in_none_is_an_error(tmp_path):
    first, second = (f"model-0000{n}-of-00002.safetensors" for n in (1, 2))
    for name in (first, second):
        mx.save_safetensors(str(tmp_path / name), {"a": mx.ones(2)})
    index(tmp_path, a=first, b=second)
    with pytest.raises(CheckpointError, match="holds tensors that another file holds, too: a"):
        read_tensors(tmp_path)
    mx.save_safetensors(str(tmp_path / second), {"c": mx.ones(2)})
    with pytest.raises(CheckpointError, match="names 1 tensors that no file holds: b"):
        read_tensors(tmp_path)


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

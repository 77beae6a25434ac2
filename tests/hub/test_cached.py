"""What the cache holds: whole or not is told by the index, by numbers in names, by neither."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gemma4_mlx.errors import ModelNotFoundError
from gemma4_mlx.hub import (
    Holding,
    cached_models,
    cached_snapshot,
    holding,
    missing_files,
    remove,
)
from gemma4_mlx.weight_file import INDEX_NAME

SHARDS = [f"model-{number:05d}-of-00003.safetensors" for number in (1, 2, 3)]


def folder_with(folder: Path, *names: str, index: object = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", *names):
        (folder / name).write_text('{"model_type": "gemma4"}')
    if index is not None:
        (folder / INDEX_NAME).write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize(
    ("names", "index", "missing"),
    [
        (["model.safetensors"], None, []),
        ([], None, ["model.safetensors"]),
        (SHARDS, None, []),
        (SHARDS[:1], None, SHARDS[1:]),
        (SHARDS[1:], {"weight_map": dict(zip("abc", SHARDS, strict=True))}, SHARDS[:1]),
        (SHARDS, {"weight_map": dict(zip("abc", SHARDS, strict=True))}, []),
        (SHARDS, {"weight_map": [1]}, [INDEX_NAME]),
        (SHARDS, {"weight_map": {"a": ["b"]}}, [INDEX_NAME]),
        (SHARDS, {}, [INDEX_NAME]),
    ],
)
def test_pain_51_what_is_missing_is_named(tmp_path: Path, names, index, missing):
    assert list(missing_files(folder_with(tmp_path, *names, index=index))) == missing


def test_pain_51_a_link_to_nothing_is_missing(tmp_path: Path):
    folder = folder_with(tmp_path)
    (folder / "model.safetensors").symlink_to(tmp_path / "gone")
    assert missing_files(folder) == ("model.safetensors",)


def test_a_revision_means_the_commit_that_was_noted(cache: Path):
    model = cache / "models--a--b"
    old, new = (folder_with(model / "snapshots" / name) for name in ("1" * 40, "2" * 40))
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(old.name)
    assert cached_snapshot("a/b") == old
    assert cached_snapshot("a/b", new.name) == new
    assert cached_snapshot("a/b", "v1") is None
    assert cached_snapshot("a/c") is None


def test_before_a_commit_was_noted_the_newest_folder_is_meant(cache: Path):
    snapshots = cache / "models--a--b" / "snapshots"
    newest, older = (folder_with(snapshots / name) for name in ("1" * 40, "2" * 40))
    os.utime(older, (1, 1))
    assert cached_snapshot("a/b") == newest


def test_models_of_other_kinds_are_not_ours(cache: Path):
    ours = folder_with(cache / "models--a--b" / "snapshots" / "1", "model.safetensors")
    other = folder_with(cache / "models--a--c" / "snapshots" / "1", "model.safetensors")
    (other / "config.json").write_text('{"model_type": "llama"}')
    broken = folder_with(cache / "models--a--d" / "snapshots" / "1")
    (broken / "config.json").write_text("{")
    (model,) = cached_models()
    assert (model.hub_id, model.folder, model.missing) == ("a/b", ours, ())
    assert model.size_bytes == sum(path.stat().st_size for path in ours.iterdir())
    held = holding("a/b")
    assert held == Holding("a/b", ours.parents[1], ("1",), model.size_bytes)
    assert remove("a/b") == model.size_bytes
    assert holding("a/b") is None
    with pytest.raises(ModelNotFoundError, match="not in the hub's cache"):
        remove("a/b")
    assert not (cache / "models--a--b").exists()
    assert other.is_dir()

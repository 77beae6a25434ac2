"""What a conversion survives: each fault is one clear error, before anything is written."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from convert.conversion import convert_checkpoint
from gemma4_mlx.errors import (
    CheckpointError,
    ConversionError,
    Gemma4Error,
    ModelNotFoundError,
    UsageError,
    WeightsError,
)
from tests.convert.checkpoints import INDEX, change, values_of
from tests.convert.outcomes import SETTINGS, contents, refused

UP_PROJ = "model.language_model.layers.1.mlp.up_proj.weight"


def shard(source: Path, number: int = 1) -> Path:
    return source / f"model-{number:05}-of-00002.safetensors"


@pytest.mark.parametrize("cut", [1, 1000, 100_000])
def test_pain_52_a_truncated_file(source: Path, dest: Path, cut: int):
    path = shard(source, 2)
    path.write_bytes(path.read_bytes()[:-cut])
    refused(source, dest, CheckpointError, path.name, "bytes")


def test_a_damaged_header(source: Path, dest: Path):
    data = bytearray(shard(source).read_bytes())
    data[20] ^= 0xFF
    shard(source).write_bytes(data)
    refused(source, dest, CheckpointError, shard(source).name)


def test_a_header_that_lies_about_offsets(source: Path, dest: Path):
    data = shard(source).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    first, second = list(header)[:2]
    header[first]["data_offsets"] = header[second]["data_offsets"]
    text = json.dumps(header).encode()
    shard(source).write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    refused(source, dest, CheckpointError, shard(source).name)


def test_a_missing_file(source: Path, dest: Path):
    shard(source, 2).unlink()
    refused(source, dest, ModelNotFoundError, shard(source, 2).name, "the index names")


def test_an_index_that_names_absent_tensors(source: Path, dest: Path):
    index = json.loads((source / INDEX).read_text())
    index["weight_map"]["model.nothing"] = shard(source).name
    (source / INDEX).write_text(json.dumps(index))
    refused(source, dest, CheckpointError, "model.nothing")


def test_tensors_that_do_not_fit_are_all_listed(source: Path, dest: Path):
    change(source, UP_PROJ, np.zeros((3, 3), np.uint16))
    change(source, "model.language_model.layers.99.x", np.zeros(3, np.uint16))
    refused(source, dest, WeightsError, "2 tensors", "mlp.up_proj.weight (3, 3)", "layers.99.x")


@pytest.mark.parametrize("bits", [0x7F80, 0xFF80, 0x7FC0, 0xFFFF])
@pytest.mark.parametrize("name", [UP_PROJ, "model.audio_tower.layers.1.norm_out.weight"])
def test_values_that_are_no_numbers(source: Path, dest: Path, name: str, bits: int):
    values = values_of(source, name)
    values.reshape(-1)[-1] = bits
    change(source, name, values)
    file = json.loads((source / INDEX).read_text())["weight_map"][name]
    refused(source, dest, WeightsError, "1 tensors", file, name)


def test_the_row_of_a_nan_is_named(source: Path, dest: Path):
    values = values_of(source, UP_PROJ)
    values[5, 2] = 0x7FC0
    change(source, UP_PROJ, values)
    refused(source, dest, WeightsError, "row 5 ")


def test_dead_keys_may_hold_anything(source: Path, dest: Path):
    name = "model.language_model.layers.9.self_attn.k_proj.weight"
    change(source, name, np.full_like(values_of(source, name), 0x7FC0))
    assert name in convert_checkpoint(source, dest, SETTINGS).dropped


def test_an_fp8_source_by_its_tensors(source: Path, dest: Path):
    values = np.zeros(values_of(source, UP_PROJ).shape, np.uint8)
    change(source, UP_PROJ, values, "F8_E4M3")
    refused(source, dest, CheckpointError, "F8_E4M3", UP_PROJ, "bf16")


def test_a_gptq_source_by_its_tensors(source: Path, dest: Path):
    change(source, UP_PROJ.replace("weight", "qweight"), np.zeros((4, 4), np.uint32), "I32")
    refused(source, dest, CheckpointError, "mlp.up_proj.qweight", "packed already")


@pytest.mark.parametrize(
    ("block", "word"),
    [
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "awq", "bits": 4}, "awq"),
        ({"group_size": 64, "bits": 4}, "MLX, 4 bits"),
    ],
)
@pytest.mark.parametrize("section", ["", "text_config"])
def test_a_packed_source_by_its_config(source: Path, dest: Path, block, word, section):
    config = json.loads((source / "config.json").read_text())
    (config[section] if section else config)["quantization_config"] = block
    (source / "config.json").write_text(json.dumps(config))
    refused(source, dest, CheckpointError, "config.json", word, "packed already")


def test_a_source_that_is_converted_already(pristine: Path, dest: Path, tmp_path: Path):
    convert_checkpoint(pristine, dest, SETTINGS)
    refused(dest, tmp_path / "again", CheckpointError, "packed already", "bf16")


def test_no_source(dest: Path, tmp_path: Path):
    refused(tmp_path / "nothing", dest, ModelNotFoundError, "nothing")


def test_a_broken_tokenizer(source: Path, dest: Path):
    (source / "tokenizer.json").write_text("{}")
    refused(source, dest, Gemma4Error, "tokenizer.json")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_dest_exists(pristine: Path, dest: Path, make):
    make(dest)
    refused(pristine, dest, UsageError, f"{dest} exists")


def test_the_disk_is_too_small(pristine: Path, dest: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(dest.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    refused(pristine, dest, ConversionError, "100.0 kB", "free", str(dest))


def test_dest_may_lie_in_folders_that_do_not_exist_yet(pristine: Path, dest: Path):
    convert_checkpoint(pristine, dest / "deep" / "below", SETTINGS)
    assert (dest / "deep" / "below" / "config.json").is_file()


def test_a_read_only_place(pristine: Path, dest: Path, monkeypatch: pytest.MonkeyPatch):
    def mkdir(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    refused(pristine, dest, ConversionError, "Read-only file system", "another DEST")


def test_a_system_that_writes_less_than_it_was_given(
    pristine: Path, dest: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
):
    def pwrite(file: int, data: memoryview, offset: int) -> int:
        return real(file, data[:10_000] if offset else data, offset)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", pwrite)
    convert_checkpoint(pristine, dest, SETTINGS)
    assert contents(dest) == expected


def test_what_does_not_read_back_is_told(
    pristine: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
):
    real = os.pread

    def pread(file: int, count: int, offset: int) -> bytes:
        data = real(file, count, offset)
        return data if offset < 100_000 else bytes(len(data))

    monkeypatch.setattr("convert.writer.os.pread", pread)
    with pytest.raises(ConversionError, match="does not read back"):
        convert_checkpoint(pristine, dest, SETTINGS)
    assert not dest.exists()

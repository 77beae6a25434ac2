"""What a conversion survives: each fault is one clear error, before anything is written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gemma4_mlx
from convert.conversion import Settings, convert_checkpoint
from convert.job import Job
from convert.progress import Step
from gemma4_mlx.errors import (
    CheckpointError,
    ConversionError,
    Gemma4Error,
    ModelNotFoundError,
    UsageError,
    WeightsError,
)
from tests.convert.checkpoints import INDEX, change, values_of, write_source

ROOT = Path(__file__).parents[2]
UP_PROJ = "model.language_model.layers.1.mlp.up_proj.weight"
SETTINGS = Settings(card=False, search=False)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("pristine") / "source")


@pytest.fixture(scope="module")
def expected(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a conversion that nobody disturbed."""
    dest = tmp_path_factory.mktemp("undisturbed") / "dest"
    convert_checkpoint(pristine, dest, SETTINGS)
    return contents(dest)


@pytest.fixture
def source(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "source"))


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "dest"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(source: Path, dest: Path, kind: type[Gemma4Error], *words: str) -> None:
    """The conversion ends with one error that holds the words, and nothing is written."""
    before = sorted(dest.parent.iterdir())
    with pytest.raises(kind) as error:
        convert_checkpoint(source, dest, SETTINGS)
    for word in words:
        assert word in str(error.value)
    assert error.value.hint
    assert sorted(dest.parent.iterdir()) == before


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


def test_a_read_only_place(pristine: Path, dest: Path, monkeypatch: pytest.MonkeyPatch):
    def mkdir(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    refused(pristine, dest, ConversionError, "Read-only file system", "another DEST")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_the_disk_fills_up_and_what_is_done_stays(
    pristine: Path,
    dest: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, bytes],
    number: int,
):
    written = 0

    def pwrite(file: int, data: memoryview, offset: int) -> int:
        nonlocal written
        written += len(data)
        if written > 300_000:
            raise OSError(number, os.strerror(number))
        return real(file, data, offset)

    real = os.pwrite
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", pwrite)
        with pytest.raises(ConversionError, match="the disk is full") as error:
            convert_checkpoint(pristine, dest, SETTINGS)
    assert "run the same command again" in error.value.hint
    assert not dest.exists()
    assert 0 < resumed(pristine, dest) < len(tensor_names(pristine))
    assert contents(dest) == expected


def test_a_system_that_writes_less_than_it_was_given(
    pristine: Path, dest: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
):
    def pwrite(file: int, data: memoryview, offset: int) -> int:
        return real(file, data[:10_000] if offset else data, offset)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", pwrite)
    convert_checkpoint(pristine, dest, SETTINGS)
    assert contents(dest) == expected


def tensor_names(source: Path) -> list[str]:
    return list(json.loads((source / INDEX).read_text())["weight_map"])


def resumed(source: Path, dest: Path) -> int:
    """Convert to the end; how many tensors had to be written."""
    steps: list[Step] = []
    convert_checkpoint(source, dest, SETTINGS, on_step=steps.append)
    assert not dest.with_name("dest.partial").exists()
    written = [step for step in steps if step.step == "tensor"]
    assert all(step.done_bytes == step.total_bytes for step in written[-1:])
    return len(written)


def test_two_runs_at_one_dest(pristine: Path, dest: Path):
    with Job(dest):
        refused(pristine, dest, ConversionError, f"process {os.getpid()} is writing {dest}")
    convert_checkpoint(pristine, dest, SETTINGS)


def at_the_lock(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen once, between the opening of the lock's file and its locking."""
    moments = [happens]

    def flock(file: int, how: int) -> None:
        while moments:
            moments.pop()()
        real(file, how)

    real = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_run_that_ended_well_just_now(dest: Path, monkeypatch: pytest.MonkeyPatch):
    at_the_lock(monkeypatch, dest.mkdir)
    with pytest.raises(UsageError, match=f"{dest} exists"):
        Job(dest)
    assert list(dest.parent.iterdir()) == [dest]


def test_a_run_that_came_to_nothing_just_now(dest: Path, monkeypatch: pytest.MonkeyPatch):
    """It takes its folder along, and with it the file that the next one is about to lock."""
    at_the_lock(monkeypatch, lambda: shutil.rmtree(dest.with_name("dest.partial")))
    with Job(dest), pytest.raises(ConversionError, match=f"process {os.getpid()} is writing"):
        Job(dest)


KILLED = """
import os, signal, sys
from convert.conversion import Settings, convert_checkpoint

def on_step(step):
    if (step.step, step.done_tensors) == (sys.argv[3], int(sys.argv[4])):
        os.kill(os.getpid(), signal.SIGKILL)

convert_checkpoint(sys.argv[1], sys.argv[2], Settings(card=False, search=False), on_step=on_step)
"""


def kill(source: Path, dest: Path, step: str, tensors: int) -> None:
    """Convert in another process that is killed after so many tensors."""
    command = [sys.executable, "-c", KILLED, str(source), str(dest), step, str(tensors)]
    done = subprocess.run(command, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -9
    assert not dest.exists()


@pytest.mark.parametrize(("step", "tensors"), [("files", 0), ("tensor", 40), ("verify", 0)])
def test_killed_at_any_moment_the_next_run_goes_on(
    pristine: Path, dest: Path, expected: dict[str, bytes], step: str, tensors: int
):
    kill(pristine, dest, step, tensors)
    written = resumed(pristine, dest)
    count = len(expected_names(expected))
    assert {"files": written == count, "tensor": 0 < written < count, "verify": written == 0}[step]
    assert contents(dest) == expected


def expected_names(expected: dict[str, bytes]) -> set[str]:
    """Tensors by the names of their modules' weights."""
    data = expected["model.safetensors"]
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return {name for name in header if not name.endswith((".scales", ".biases", "__metadata__"))}


def test_what_was_damaged_in_between_is_written_anew(
    pristine: Path, dest: Path, expected: dict[str, bytes]
):
    kill(pristine, dest, "tensor", 40)
    (path,) = dest.with_name("dest.partial").glob("dest/*.safetensors")
    with path.open("r+b") as file:
        file.seek(int.from_bytes(file.read(8), "little") + 8 + 1000)
        file.write(b"damaged")
    journal = dest.with_name("dest.partial") / "journal.jsonl"
    done = len(journal.read_text().splitlines()) - 1
    assert resumed(pristine, dest) == len(expected_names(expected)) - done + 1
    assert contents(dest) == expected


def test_a_journal_that_breaks_off_in_a_line(
    pristine: Path, dest: Path, expected: dict[str, bytes]
):
    kill(pristine, dest, "tensor", 40)
    journal = dest.with_name("dest.partial") / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    resumed(pristine, dest)
    assert contents(dest) == expected


def test_another_command_is_refused_unless_forced(pristine: Path, dest: Path):
    from gemma4_mlx.recipes import find_recipe

    kill(pristine, dest, "tensor", 40)
    other = Settings(card=False, search=False, recipe=find_recipe("plain-8"))
    with pytest.raises(ConversionError, match="another conversion: other recipe, formats"):
        convert_checkpoint(pristine, dest, other)
    stray = dest.with_name("dest.partial") / "dest" / "model-00001-of-00009.safetensors"
    stray.write_bytes(b"of the other recipe")
    forced = Settings(card=False, search=False, recipe=find_recipe("plain-8"), force=True)
    assert convert_checkpoint(pristine, dest, forced).quality.recipe == "plain-8"
    assert stray.name not in contents(dest)


def test_nothing_stays_of_a_run_that_came_to_nothing(pristine: Path, dest: Path):
    from gemma4_mlx.recipes import find_recipe

    kill(pristine, dest, "files", 0)
    stray = dest.with_name("dest.partial") / "dest" / "model-00001-of-00009.safetensors"
    stray.write_bytes(b"of the recipe of that run")
    convert_checkpoint(pristine, dest, replace(SETTINGS, recipe=find_recipe("plain-8")))
    assert stray.name not in contents(dest)


def test_what_makes_a_run_another_one(
    pristine: Path, dest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = tmp_path / "text.txt"
    text.write_text("Something to read.")
    kill(pristine, dest, "tensor", 40)
    with pytest.raises(ConversionError, match=r"another conversion: other search\n"):
        convert_checkpoint(pristine, dest, replace(SETTINGS, search=True))
    with pytest.raises(ConversionError, match=r"another conversion: other calibration\n"):
        convert_checkpoint(pristine, dest, replace(SETTINGS, calibration=text))
    monkeypatch.setattr(gemma4_mlx, "__version__", "99")
    with pytest.raises(ConversionError, match=r"another conversion: other version\n"):
        convert_checkpoint(pristine, dest, SETTINGS)


def test_what_is_written_already_needs_no_room(
    pristine: Path, dest: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    kill(pristine, dest, "tensor", 40)
    needed = len(expected["model.safetensors"]) + 64 * 1024**2
    usage = shutil.disk_usage(dest.parent)._replace(free=needed - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    refused(pristine, dest.with_name("another"), ConversionError, "are free")
    resumed(pristine, dest)


def test_dest_appears_while_it_runs(pristine: Path, dest: Path, expected: dict[str, bytes]):
    def on_step(step: Step) -> None:
        if step.step == "verify":
            dest.mkdir(exist_ok=True)

    with pytest.raises(UsageError, match=f"{dest} exists"):
        convert_checkpoint(pristine, dest, SETTINGS, on_step=on_step)
    dest.rmdir()
    assert resumed(pristine, dest) == 0
    assert contents(dest) == expected


def test_dest_may_lie_in_folders_that_do_not_exist_yet(pristine: Path, dest: Path):
    convert_checkpoint(pristine, dest / "deep" / "below", SETTINGS)
    assert (dest / "deep" / "below" / "config.json").is_file()


def test_a_source_that_changed_is_another_one(source: Path, dest: Path):
    kill(source, dest, "tensor", 40)
    change(source, UP_PROJ, values_of(source, UP_PROJ))
    with pytest.raises(ConversionError, match="another conversion: other source"):
        convert_checkpoint(source, dest, SETTINGS)


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

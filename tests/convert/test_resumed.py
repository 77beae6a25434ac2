"""Cut off at any moment: the same command goes on, and no other does by mistake."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import gemma4_mlx
from convert.conversion import Settings, convert_checkpoint
from convert.job import Job
from convert.progress import Step
from gemma4_mlx.errors import ConversionError, UsageError
from gemma4_mlx.recipes import find_recipe
from tests.convert.checkpoints import INDEX, change, values_of
from tests.convert.outcomes import SETTINGS, contents, refused

ROOT = Path(__file__).parents[2]
UP_PROJ = "model.language_model.layers.1.mlp.up_proj.weight"


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


def ended(dest: Path) -> None:
    """A result of one file gets its name."""
    with Job(dest) as job:
        job.start({})
        (job.folder / "config.json").write_text("{}")
        job.publish()


def refusing(monkeypatch: pytest.MonkeyPatch, is_refused: Callable[[int], bool]) -> None:
    """A disk that does not bring everything to rest."""
    real = os.fsync

    def fsync(file: int) -> None:
        if is_refused(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_disk_that_does_not_know_how_to_sync_a_folder(dest: Path, monkeypatch):
    refusing(monkeypatch, stat.S_ISDIR)
    ended(dest)
    assert [path.name for path in dest.parent.iterdir()] == [dest.name]
    assert (dest / "config.json").read_text() == "{}"


def test_a_file_that_does_not_reach_the_disk_is_no_result(dest: Path, monkeypatch):
    refusing(monkeypatch, stat.S_ISREG)
    with pytest.raises(OSError, match="Invalid argument"):
        ended(dest)
    assert not dest.exists()


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


def test_a_source_that_changed_is_another_one(source: Path, dest: Path):
    kill(source, dest, "tensor", 40)
    change(source, UP_PROJ, values_of(source, UP_PROJ))
    with pytest.raises(ConversionError, match="another conversion: other source"):
        convert_checkpoint(source, dest, SETTINGS)

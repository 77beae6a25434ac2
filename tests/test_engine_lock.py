"""One large model at a time: the lock between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from gemma4_mlx import engine_lock
from gemma4_mlx.engine_lock import LARGE_BYTES, OVERRULE, EngineLock, current_holder
from gemma4_mlx.errors import EngineError

HOLD = """
import sys
from pathlib import Path
from gemma4_mlx.engine_lock import EngineLock

lock = EngineLock(Path(sys.argv[1]))
lock.take("google/gemma-4-E2B-it", Path(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def large(tmp_path):
    """A folder that looks like a large model; the file has a size and no content."""
    folder = tmp_path / "large"
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(LARGE_BYTES)
    return folder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "caches" / "engine.lock"


@contextmanager
def holder(path: Path, folder: Path):
    command = [sys.executable, "-c", HOLD, str(path), str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_pain_21_the_second_process_is_told_who_has_a_model(path, large):
    with holder(path, large) as process:
        with EngineLock(path) as lock, pytest.raises(EngineError) as refused:
            lock.take("another", large)
        told = current_holder(path)
    assert told is not None
    assert (told.pid, told.model) == (process.pid, "google/gemma-4-E2B-it")
    assert str(told) in refused.value.message
    assert f"process {process.pid} (google/gemma-4-E2B-it, since 20" in refused.value.message
    assert OVERRULE in refused.value.hint


def test_it_can_be_overruled(path, large, monkeypatch, caplog):
    with holder(path, large) as process:
        monkeypatch.setenv(OVERRULE, "1")
        with EngineLock(path) as lock:
            lock.take("another", large)
        assert str(process.pid) in caplog.text
        assert current_holder(path).pid == process.pid, "the first one must stay who is named"
        monkeypatch.setenv(OVERRULE, "0")
        with pytest.raises(EngineError):
            EngineLock(path).take("another", large)


def test_whoever_overrules_while_it_is_free_holds_it(path, large, monkeypatch):
    monkeypatch.setenv(OVERRULE, "1")
    with EngineLock(path) as lock:
        lock.take("mine", large)
        assert current_holder(path).pid == os.getpid()


def test_a_process_that_was_killed_holds_nothing(path, large):
    with holder(path, large) as process:
        process.kill()
        process.wait()
        assert str(process.pid) in path.read_text(), "it had no time to tidy up"
        assert current_holder(path) is None
        with EngineLock(path) as lock:
            lock.take("mine", large)
            assert current_holder(path).pid == os.getpid()


def test_a_reused_number_holds_nothing(path, large):
    path.parent.mkdir()
    alive = os.getppid()
    path.write_text(f'{{"pid": {alive}, "model": "old", "since": "2026-01-01T00:00:00+00:00"}}')
    assert current_holder(path) is None
    with EngineLock(path) as lock:
        lock.take("mine", large)
        assert current_holder(path).model == "mine"


def test_after_its_release_it_is_free(path, large):
    for name in ("first", "second"):
        with EngineLock(path) as lock:
            lock.take(name, large)
            assert current_holder(path).model == name
    assert current_holder(path) is None
    assert path.read_text() == ""


def test_two_engines_of_one_process_are_two(path, large):
    with EngineLock(path) as first:
        first.take("first", large)
        first.take("first", large)
        with pytest.raises(EngineError, match=f"process {os.getpid()} "):
            EngineLock(path).take("second", large)


def test_small_models_need_none(path, large):
    os.truncate(large / "model.safetensors", LARGE_BYTES - 1)
    with EngineLock(path) as lock:
        lock.take("small", large)
        assert not path.exists()


def test_all_files_of_a_model_count(path, large):
    os.truncate(large / "model.safetensors", LARGE_BYTES // 2)
    os.link(large / "model.safetensors", large / "model-2.safetensors")
    with EngineLock(path) as lock:
        lock.take("two halves", large)
        assert current_holder(path).model == "two halves"


def test_a_look_at_the_lock_keeps_nobody_out(path, large, monkeypatch):
    """Whoever looks locks it, too, for a moment; so it is tried more than once."""
    real, busy = engine_lock.fcntl.flock, [BlockingIOError(), BlockingIOError()]

    def flock(file, operation):
        if busy:
            raise busy.pop()
        real(file, operation)

    monkeypatch.setattr(engine_lock.fcntl, "flock", flock)
    with EngineLock(path) as lock:
        lock.take("mine", large)
        assert not busy
        monkeypatch.undo()
        assert current_holder(path).model == "mine"


def test_a_holder_that_has_not_yet_written_is_another_process(path, large):
    with holder(path, large):
        path.write_text("")
        with pytest.raises(EngineError, match=r"^another process has a large model"):
            EngineLock(path).take("another", large)


def test_where_there_can_be_no_lock_it_goes_on(tmp_path, large, caplog):
    (tmp_path / "file").touch()
    with EngineLock(tmp_path / "file" / "engine.lock") as lock:
        lock.take("mine", large)
    assert "no lock between engines" in caplog.text


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("darwin", "", "home/Library/Caches/gemma4-mlx/engine.lock"),
        ("darwin", "elsewhere", "home/Library/Caches/gemma4-mlx/engine.lock"),
        ("linux", "", "home/.cache/gemma4-mlx/engine.lock"),
        ("linux", "elsewhere", "elsewhere/gemma4-mlx/engine.lock"),
    ],
)
def test_the_file_is_in_the_users_caches(monkeypatch, platform, variable, expected):
    monkeypatch.setattr(engine_lock.sys, "platform", platform)
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    monkeypatch.setenv("HOME", "home")
    assert engine_lock.lock_path() == Path(expected)

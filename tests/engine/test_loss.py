"""What is said of an engine that is gone, and the log that it leaves."""

from __future__ import annotations

import os

import pytest

from gemma4_mlx.engine import log as log_module
from gemma4_mlx.engine.log import KEPT_LOGS, EngineLog, last_words, limit_log
from gemma4_mlx.engine.loss import describe_doing, describe_loss
from gemma4_mlx.engine.process import Ending
from gemma4_mlx.events import Finished, LoadProgress, MediaReceipt, PromptProgress

METAL = "libc++abi: terminating due to uncaught exception: [METAL] Insufficient Memory"
DUMP = f"""2026-11-22 01:02:03,456 INFO process 7 began
{METAL}
Fatal Python error: Aborted

Current thread 0x00007f (most recent call first):
  File "turn.py", line 1 in answer
"""


@pytest.fixture
def log(tmp_path):
    return EngineLog(tmp_path)


def write(log, text):
    file = log.open()
    os.write(file, text.encode())
    return file


def close(file):
    os.close(file)


def test_the_last_words_are_what_came_before_pythons_dump(log):
    close(write(log, DUMP))
    assert last_words(log.tail()) == METAL


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("", ""),
        ("\n \n", ""),
        ("2026-11-22 01:02:03,456 INFO process 7 began\n", ""),
        ("2026-11-22 01:02:03,456 ERROR torn weights\n\n", "torn weights"),
        ("a\nb\x1b[31m\u202e\n", "b[31m"),
        ("x" * 500, "x" * 200),
    ],
)
def test_last_words_can_be_quoted(tail, words):
    assert last_words(tail) == words


def test_the_log_of_an_earlier_process_is_not_quoted(log):
    close(write(log, "old\n"))
    close(write(log, "new\n"))
    assert log.tail() == "new\n"
    close(log.open())
    assert log.tail() == ""
    assert log.path.read_text() == "old\nnew\n"


def test_a_log_that_grows_too_long_is_begun_again(log, monkeypatch):
    monkeypatch.setattr(log_module, "LOG_BYTES", 100)
    file = write(log, "x" * 101)
    limit_log(file)
    os.write(file, b"new\n")
    assert log.path.read_bytes() == b"new\n"
    assert log.tail() == "new\n"
    limit_log(file)
    assert log.path.read_bytes() == b"new\n"
    close(file)


def test_a_log_that_is_no_file_is_left_alone():
    read, write = os.pipe()
    limit_log(write)
    os.close(write), os.close(read)
    limit_log(write)


def test_old_logs_are_removed(log, tmp_path):
    for number in range(20):
        file = tmp_path / f"engine-{number}.log"
        file.write_text("old")
        os.utime(file, (number, number))
    (tmp_path / "other.log").write_text("not ours")
    close(log.open())
    left = {file.name for file in tmp_path.iterdir()}
    newest = {f"engine-{number}.log" for number in range(21 - KEPT_LOGS, 20)}
    assert left == {*newest, log.path.name, "other.log"}


def test_nobody_else_can_read_a_log(tmp_path):
    log = EngineLog(tmp_path / "new")
    close(log.open())
    assert log.path.stat().st_mode & 0o077 == 0
    assert log.path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("code", "tail", "said", "lacks_memory"),
    [
        (-9, "", "was killed (SIGKILL) while it was answering, perhaps", True),
        (-6, DUMP, "ran out of memory and was aborted (SIGABRT) while it was answering", True),
        (-6, "assertion failed", "crashed (SIGABRT) while it was answering; its last words", False),
        (-11, "", "crashed (SIGSEGV)", False),
        (-15, "", "was ended from outside (SIGTERM)", False),
        (-200, "", "was ended from outside (signal 200)", False),
        (1, "MemoryError", "ended by itself (exit code 1)", True),
        (0, "", "ended by itself (exit code 0)", False),
        (None, "", "did not start", False),
    ],
)
def test_what_happened_and_what_to_do(log, code, tail, said, lacks_memory):
    close(write(log, tail))
    loss = describe_loss(Ending(code), "answering", log)
    assert said in loss.message
    assert ("smaller model" in loss.hint) is lacks_memory
    assert loss.log_path == str(log.path)


def test_a_fault_comes_with_its_own_hint(log):
    loss = describe_loss(Ending(-9, "it speaks protocol 2", "start it again"), "starting", log)
    assert (loss.message, loss.hint, loss.log_path) == (
        "the engine was given up: it speaks protocol 2", "start it again", "",
    )  # fmt: skip


def test_what_an_engine_does_is_told_in_figures():
    assert describe_doing(LoadProgress(1_500_000_000, 3_000_000_000)).endswith("(1.50 of 3.00 GB)")
    assert describe_doing(MediaReceipt("image", "a.png", 1, 1)) == "looking at what is attached"
    assert describe_doing(PromptProgress(3, 9)) == "reading the prompt (3 of 9 tokens)"
    assert describe_doing(PromptProgress(9, 9)) == "answering"
    encoding = PromptProgress(0, 9, encoded=1, to_encode=3)
    assert describe_doing(encoding) == "looking at what is attached (2 of 3)"
    assert describe_doing(Finished("stop")) == "waiting to be asked"


def test_a_log_that_has_no_place_is_a_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    home = tmp_path / "home"
    home.write_text("where no folder can be made")
    log = EngineLog(home / "logs")
    os.close(log.open())
    assert log.path.is_relative_to(tmp_path / "temporary")
    assert log.tail() == ""

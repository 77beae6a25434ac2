"""The command line as a process: streams, signals and terminals are the real ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.scripted import SIGNAL_FILE, WORD

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60


def command(script, *arguments):
    return [sys.executable, "-m", "tests.cli.scripted", script, *arguments]


def read_all(terminal):
    """What was written to a terminal whose other side is closed."""
    said = b""
    with os.fdopen(terminal, "rb", buffering=0) as file, suppress(OSError):  # its way to say end
        while piece := file.read(1000):
            said += piece
    return said.decode()


@contextmanager
def started(script, *arguments, **options):
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command(script, *arguments), cwd=ROOT, **(streams | options))
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_pipe_is_a_question_and_stdout_the_answer_alone():
    with started("answer", stdin=subprocess.PIPE) as process:
        printed, said = process.communicate(b"Hi\n", TIMEOUT_S)
    assert (process.returncode, printed.decode(), said) == (0, "Grüß dich! 🎉\n", b"")


def test_an_error_leaves_stdout_empty():
    with started("ContextFullError", "ask", "Hi") as process:
        printed, said = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, printed, said) == (6, b"", b"error: It broke.\nhint: mend it\n")


def test_a_reader_that_leaves_is_no_error():
    with started("endless", "ask", "Hi", "--max-tokens", "1000000") as process:
        assert process.stdout.read(5) == WORD.encode()
        process.stdout.close()
        assert process.wait(TIMEOUT_S) == 141
        assert process.stderr.read() == b""


def test_ctrl_c_keeps_what_was_written():
    with started("slow", "ask", "Hi", "--max-tokens", "1000000") as process:
        start = process.stdout.read(5)
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert said == b""
    answer = (start + rest).decode()
    assert answer.endswith("\n")
    assert (WORD * 100_000).startswith(answer.removesuffix("\n"))


def interrupted(tmp_path, script, *arguments):
    """Run until the script says that it is at work, then press Ctrl+C: (exit code, stdout)."""
    signal_file = tmp_path / "at-work"
    environment = {**os.environ, SIGNAL_FILE: str(signal_file)}
    with started(script, *arguments, env=environment) as process:
        give_up_s = time.monotonic() + TIMEOUT_S
        while not signal_file.exists() and time.monotonic() < give_up_s:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=TIMEOUT_S)
    assert said == b""
    return process.returncode, printed


def test_ctrl_c_leaves_whole_json(tmp_path):
    code, printed = interrupted(tmp_path, "slow", "ask", "Hi", "--max-tokens", "1000000", "--json")
    assert code == 130
    assert json.loads(printed)["finish_reason"] == "cancelled"
    assert json.loads(printed)["text"].startswith("t")


def test_ctrl_c_while_loading(tmp_path):
    assert interrupted(tmp_path, "hang", "ask", "Hi") == (130, b"")


@pytest.mark.parametrize("no_color", [False, True])
def test_somebody_who_watches_sees_more(no_color):
    ours, theirs = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"NO_COLOR": "1"} if no_color else {}
    with started("thought", "ask", "Hi", stderr=theirs, env=environment) as process:
        os.close(theirs)
        printed = process.stdout.read()
        said = read_all(ours)  # first: a Mac keeps a process until what it has written is read
        process.wait(TIMEOUT_S)
    assert printed == b"Yes.\n"
    assert "loading pocket: 50%" in said
    assert "pocket is a tiny model for demonstration" in said
    assert ("\x1b[" in said) == (not no_color)
    assert "Hm" in said.replace("\x1b[2m", "").replace("\x1b[0m", "")


def test_a_model_cannot_take_over_the_terminal():
    ours, theirs = os.openpty()
    with started("escape", "ask", "Hi", stdout=theirs) as process:
        os.close(theirs)
        assert read_all(ours) == "␛]0;title␇\r\n�2JHi\r\n"
        assert process.wait(TIMEOUT_S) == 0
    with started("escape", "ask", "Hi") as process:
        assert process.communicate()[0].decode() == "\x1b]0;title\x07\r\x9b2JHi\n"

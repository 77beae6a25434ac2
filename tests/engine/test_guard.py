"""The guard: it ends the engine process where that cannot end itself, and goes with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from gemma4_mlx.engine.guard import Guard
from gemma4_mlx.engine.lines import Ask, Bye, Start
from gemma4_mlx.events import Finished, LoadProgress
from tests.engine.face import PATIENCE_S
from tests.engine.pipes import pipes, wish

GUARDED = """
import ctypes
from gemma4_mlx.engine.guard import Guard
Guard({parent})
print(end="holds", flush=True)
ctypes.PyDLL(None).sleep(60)
"""


@contextmanager
def holding(what: str, **more):
    """A toy that holds Python's lock while it does that."""
    with pipes(stderr=subprocess.PIPE, **more) as child:
        wished = "hold the lock"
        child.say(Start(wished if what == "load" else "toy"), Ask.of(1, wish(wished)))
        said = b""
        while b"holds the lock" not in said:
            said += os.read(child.process.stderr.fileno(), 4096)
        child.process.stderr.close()
        yield child


@pytest.mark.parametrize("what", ["load", "prefill"])
def test_without_its_face_the_process_ends_though_it_holds_pythons_lock(what):
    with holding(what) as child:
        child.process.stdin.close()
        assert child.process.wait(PATIENCE_S / 2) == -signal.SIGKILL


def test_without_its_parent_it_ends_though_its_pipes_are_open_and_it_holds_the_lock():
    with subprocess.Popen(["sleep", "60"]) as parent:
        guarded = GUARDED.format(parent=parent.pid)
        with subprocess.Popen(
            [sys.executable, "-c", guarded], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.read(5) == b"holds"
            parent.kill()
            parent.wait()
            assert process.wait(PATIENCE_S) == -signal.SIGKILL


def test_a_suspended_process_ends_as_well():
    with pipes() as child:
        child.say(Start("toy"))
        child.until(LoadProgress)
        child.process.send_signal(signal.SIGSTOP)
        child.process.stdin.close()
        assert child.process.wait(PATIENCE_S / 2) == -signal.SIGKILL


@pytest.mark.parametrize("is_suspended", [False, True], ids=["", "suspended"])
def test_it_goes_when_the_process_is_killed(is_suspended):
    with pipes() as child:
        child.say(Start("toy"))
        child.until(LoadProgress)
        if is_suspended:
            child.suspend_guard()
        child.process.kill()
        assert child.is_left()


def test_half_of_a_socket_is_enough_to_know_that_nobody_is_there():
    ours, theirs = socket.socketpair()
    guarded = GUARDED.format(parent=os.getpid())
    with (
        ours,
        theirs,
        subprocess.Popen(
            [sys.executable, "-c", guarded], stdin=theirs, stdout=subprocess.PIPE
        ) as process,
    ):
        assert process.stdout.read(5) == b"holds"
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(PATIENCE_S) == -signal.SIGKILL


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_of_a_process_begun_without_a_pipe_it_goes_as_well(closed):
    with pipes(shell=closed) as child:
        if closed != "<&-":  # else nobody hears
            child.say(Bye())
        assert child.end() == 0
        assert child.is_left()


def test_after_bye_the_process_keeps_its_state_however_long_that_takes(tmp_path):
    state = tmp_path / "slow"
    with pipes() as child:
        child.say(Start("toy"), Ask.of(1, wish("", state_path=str(state))))
        child.until(Finished)
        child.say(Bye())
        child.process.stdin.close()
        assert child.end() == 0
    assert state.read_text() == "1"


def test_dismissed_it_is_gone_and_asked_for():
    code = """
import os
from gemma4_mlx.engine.guard import Guard
Guard(os.getppid()).dismiss()
os.waitpid(-1, os.WNOHANG)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ChildProcessError" in ended.stderr  # there is no child any more


def test_where_no_process_can_be_begun_that_is_said(monkeypatch, capsys):
    def full():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", full)
    Guard(os.getppid()).dismiss()
    assert "no guard" in capsys.readouterr().err

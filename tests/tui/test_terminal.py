"""The terminal is as it was, however the chat ends: on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tui import terminal
from tui.driver import STDERR

CHAT = """
import ctypes, os, sys
from gemma4_mlx.engine import FakeEngine
from tui.app import ChatApp
from tui.cli.chat import run
from tui.settings.options import ChatOptions

def action_break(app):
    if os.environ["BREAK"] == "noise":
        return ctypes.CDLL(None).perror(b"damaged.mp3")
    if os.environ["BREAK"] == "error":
        raise ZeroDivisionError
    os.kill(os.getpid(), 15)
    while True:  # it never comes back to its messages
        pass

ChatApp.action_break = action_break
engine = FakeEngine()
app = ChatApp(engine, ChatOptions(keep_chats=False))
app.bind("f12", "break")
code = run(app, engine)
print("closed" if engine.closed else "open")
sys.exit(code)
"""
BUDGET_S = 20.0
BREAK = b"\x1b[24~"  # f12


class Window:
    """A terminal in which a chat runs."""

    def __init__(self, how: str = ""):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.slave = slave
        self.before = self.modes
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHAT],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "BREAK": how},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.seen = b""

    def wait_for(self, text: bytes) -> None:
        until = time.monotonic() + BUDGET_S
        while text not in self.seen:
            assert time.monotonic() < until, self.seen[-2000:]
            self.read()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + BUDGET_S
        while not holds():
            assert time.monotonic() < until
            self.read()

    def read(self, within_s: float = 0.05) -> bool:
        """Whether something was written meanwhile."""
        if not select.select([self.master], [], [], within_s)[0]:
            return False
        self.seen += os.read(self.master, 65536)
        return True

    def settle(self) -> None:
        """Read until nothing but the cursor changes."""
        while self.read(0.3):
            pass

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """Wait for the end, and read what was written last."""
        self.wait_until(lambda: self.process.poll() is not None)
        for _ in range(4):
            self.read()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    @property
    def modes(self):
        # Of our end: where a Mac's terminal has lost who it belonged to, the other cannot be asked.
        modes = termios.tcgetattr(self.master)
        modes[3] &= ~termios.PENDIN
        return modes

    def assert_restored(self) -> None:
        assert self.modes == self.before
        for switch in (b"?1000", b"?1003", b"?2004", b"?1049", b"?1004"):
            assert self.seen.rfind(b"\x1b[" + switch + b"l") > self.seen.rfind(
                b"\x1b[" + switch + b"h"
            ), switch
        assert self.seen.rfind(b"\x1b[?25h") > self.seen.rfind(b"\x1b[?25l")  # the cursor
        assert self.seen.rfind(b"\x1b[<u") > self.seen.rfind(b"\x1b[>")  # kitty's keyboard


@pytest.fixture
def window():
    windows = []

    def open_window(how=""):
        windows.append(Window(how))
        windows[-1].wait_for(b"ready")
        assert windows[-1].modes != windows[-1].before
        return windows[-1]

    yield open_window
    for each in windows:
        each.close()


class Log:
    """Of what libraries in C complain of."""

    def __init__(self, home: Path):
        self.path = home / "state" / "logs" / "chat.log"

    @property
    def complaints(self) -> int:
        return self.path.read_bytes().count(b"damaged.mp3: ")


def test_a_signal_ends_the_chat_in_order(window):
    chat = window()
    chat.process.send_signal(signal.SIGTERM)
    assert chat.end() == 143
    chat.assert_restored()
    assert b"closed" in chat.seen


def test_an_error_of_the_chat_itself(window):
    chat = window("error")
    chat.type(BREAK)
    assert chat.end() == 1
    chat.assert_restored()
    assert b"ZeroDivisionError" in chat.seen
    assert b"closed" in chat.seen


def test_a_chat_that_hangs_is_ended_by_the_second_signal(window):
    chat = window("sudden")
    chat.type(BREAK)
    time.sleep(0.5)
    chat.process.send_signal(signal.SIGTERM)
    assert chat.end() == 143
    chat.assert_restored()


def test_a_terminal_that_goes_away_ends_the_chat(window):
    chat = window()
    os.close(chat.master)
    os.close(chat.slave)
    try:
        assert chat.process.wait(BUDGET_S) != 0
    finally:
        chat.master, chat.slave = pty.openpty()


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(window):
    chat = window()
    chat.settle()  # what is drawn anew from here on is drawn because the terminal came back
    chat.type(b"\x1a")
    chat.wait_until(lambda: chat.modes == chat.before)
    _, status = os.waitpid(chat.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    for _ in range(4):
        chat.read()
    chat.assert_restored()
    chat.seen = b""
    chat.process.send_signal(signal.SIGCONT)
    chat.wait_for(b"?1049h")
    chat.wait_for(b"ready")
    chat.type(b"\x11")
    assert chat.end() == 0
    chat.assert_restored()
    assert b"closed" in chat.seen


def test_what_c_libraries_complain_of_is_in_the_log_and_not_on_the_screen(window, home):
    chat, log = window("noise"), Log(home)
    assert log.path.stat().st_mode & 0o77 == 0
    chat.type(BREAK)
    chat.wait_until(lambda: log.complaints == 1)
    chat.type(b"\x11")
    assert chat.end() == 0
    chat.assert_restored()
    assert b"damaged.mp3" not in chat.seen


def test_an_editor_has_the_terminal_and_the_log_goes_on_after_it(window, home, monkeypatch):
    is_terminal = "test -t 0 && test -t 1 && test -t 2 && echo edited by hand >&2"
    monkeypatch.setenv("VISUAL", f"sh -c {shlex.quote(is_terminal)}")
    chat, log = window("noise"), Log(home)
    chat.type(b"\x07")
    chat.wait_for(b"edited by hand")
    chat.wait_until(lambda: chat.modes != chat.before)
    chat.type(BREAK)
    chat.wait_until(lambda: log.complaints == 1)
    chat.type(b"\x11")
    assert chat.end() == 0
    assert b"damaged.mp3" not in chat.seen
    assert b"edited by hand" not in log.path.read_bytes()


def test_without_a_place_for_the_log_complaints_are_forgotten(window, home):
    (home / "state").write_text("no folder")
    chat = window("noise")
    chat.type(BREAK)
    chat.type(b"\x11")
    assert chat.end() == 0
    assert b"damaged.mp3" not in chat.seen


def test_what_a_mac_notes_among_the_modes_is_no_other_mode(monkeypatch):
    """It says so from the moment on that lines are read again, until one has been."""
    modes = [0, 0, 0, termios.ICANON, 0, 0, []]
    monkeypatch.setattr(terminal, "_stdin", lambda: 0)
    monkeypatch.setattr(termios, "tcgetattr", lambda file: [*modes])
    written = []
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(data))
    before = terminal._modes()
    modes[3] |= termios.PENDIN
    terminal.restore(before, STDERR)
    assert written == []
    modes[3] &= ~termios.ICANON
    assert terminal._modes() != before


def test_what_was_put_right_already_is_left_alone(monkeypatch):
    written = []
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(data))
    terminal.restore(terminal._modes(), STDERR)
    terminal.restore(None, STDERR)
    assert written == []

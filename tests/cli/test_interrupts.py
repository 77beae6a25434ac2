"""Ctrl+C before there is anything to interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gemma4_mlx.cli.interrupts import INTERRUPTED, quiet_interrupts, raised_interrupts

ROOT = Path(__file__).parents[2]
HANGS = "import os, time; os.write(1, b'hangs'); time.sleep(60)"
RUN = """
import importlib.util, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
name, file = sys.argv[1:3]
del sys.argv[1:3]

class Hanging:
    def find_spec(self, wanted, path=None, target=None):
        if wanted == name:
            return importlib.util.spec_from_file_location(name, file)

sys.meta_path.insert(0, Hanging())
from gemma4_mlx.cli import main
main(prog_name="gemma4")
"""


def handler() -> object:
    return signal.getsignal(signal.SIGINT)


@pytest.mark.parametrize(
    ("hanging", "words"),
    [("click", ["--help"]), ("gemma4_mlx.printable", ["--help"]), ("mlx", ["ask", "hello"])],
)
def test_ctrl_c_while_something_is_imported_ends_quietly(tmp_path, hanging, words):
    """What the command line is made of, part of it, and what one command needs."""
    file = tmp_path / "hanging.py"
    file.write_text(HANGS)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, hanging, str(file), *words], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    said = os.read(process.stdout.fileno(), 100)
    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=20)
    assert (said + rest, complaints) == (b"hangs", b"")
    assert process.returncode == INTERRUPTED


def test_the_usual_handling_comes_back():
    usual = handler()
    assert usual is signal.default_int_handler
    with quiet_interrupts():
        quiet = handler()
        assert quiet is not usual
        with raised_interrupts():
            assert handler() is usual
        assert handler() is quiet
    assert handler() is usual
    with raised_interrupts():
        assert handler() is usual


def test_a_handling_that_somebody_chose_stays():
    """Such as that of a program in the background, which no Ctrl+C reaches."""
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with quiet_interrupts(), raised_interrupts():
            assert handler() is signal.SIG_IGN
        assert handler() is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)


def test_on_another_thread_nothing_is_changed():
    found = []

    def run():
        with quiet_interrupts():
            found.append(handler())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [handler()]

"""A toy engine process, seen from its pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gemma4_mlx.engine import TurnRequest
from gemma4_mlx.engine.lines import decode_reply
from gemma4_mlx.engine.lines import encode as line_of
from gemma4_mlx.events import Failed
from tests.engine.face import PATIENCE_S

ROOT = Path(__file__).parents[2]
TOY = [sys.executable, "-m", "tests.engine.toy_child"]


def wish(what: str, **options) -> TurnRequest:
    return TurnRequest([{"role": "user", "content": what}], **options)


class Pipes:
    """A toy engine process and both ends of its pipes."""

    def __init__(self, *options: str, stderr=subprocess.DEVNULL, shell="") -> None:
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" {shell}', "sh", *TOY, *options], cwd=ROOT, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
            start_new_session=True,  # as a client does
        )  # fmt: skip
        self.watch = threading.Timer(PATIENCE_S, self.process.kill)  # else a test would hang
        self.watch.start()
        self._lines = os.fdopen(os.dup(self.process.stdout.fileno()), "rb")

    def say(self, *said) -> None:
        for each in said:
            self.process.stdin.write(each if isinstance(each, bytes) else line_of(each))

    def next(self):
        return decode_reply(self._lines.readline())

    def until(self, *kinds: type):
        """The next of one of these kinds; a turn that fails is one of them, or a surprise."""
        while True:
            told = self.next()
            event = getattr(told, "event", None)
            if isinstance(told, kinds) or isinstance(event, kinds):
                return told
            assert not isinstance(event, Failed), event

    def end(self) -> int:
        return self.process.wait(PATIENCE_S)

    def is_left(self) -> bool:
        """Whether neither the process nor its guard has the other end of its stdin any more."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:  # not `poll`: macOS tells that of a pipe's end to read
            try:
                os.write(self.process.stdin.fileno(), b"\n")
            except BrokenPipeError:
                return True
            time.sleep(0.01)
        return False

    def suspend_guard(self) -> None:
        rows = [row.split() for row in _ps("-A", "-o", "ppid=,pid=").splitlines()]
        (guard,) = [pid for parent, pid in rows if parent == str(self.process.pid)]
        os.kill(int(guard), signal.SIGSTOP)
        while not _ps("-p", guard, "-o", "stat=").startswith("T"):
            time.sleep(0.01)


def _ps(*options: str) -> str:
    return subprocess.check_output(["ps", *options], text=True)


@contextmanager
def pipes(*options: str, **more) -> Iterator[Pipes]:
    ours = Pipes(*options, **more)
    try:
        yield ours
    finally:
        ours.watch.cancel()
        ours.process.kill()
        ours.process.wait()
        for pipe in (ours.process.stdin, ours.process.stdout, ours._lines):
            pipe.close()

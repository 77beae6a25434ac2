"""A terminal of a test: a program runs in it, keys are typed, the screen is read."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence

PATIENCE_S = 60.0
"""For a machine that has other things to do; a test that passes waits for none of it."""

_STEP = re.compile(
    r"\x1b\[(?P<parameters>[0-9;?<>=]*)[ !$]*(?P<final>[@-~])"
    r"|\x1b[\]P_^X].*?(?:\x07|\x1b\\)"  # titles and the like, up to their end
    r"|\x1b[ -/]*[0-~]"
    r"|(?P<sign>[\r\n\x08])|(?P<text>[^\x00-\x1f]+)|.",
    re.DOTALL,
)
_UNFINISHED = re.compile(r"\x1b(\[[0-9;?<>= !$]*|[\]P_^X][^\x07\x1b]*)?$")


class Screen:
    """What is on a terminal, of those sequences that move the cursor or clear."""

    def __init__(self) -> None:
        self._lines: dict[int, dict[int, str]] = {}
        self._row = self._column = 0
        self._rest = ""

    def write(self, text: str) -> None:
        """Draw; a sequence that is not complete yet waits."""
        text = self._rest + text
        unfinished = _UNFINISHED.search(text)
        end = unfinished.start() if unfinished else len(text)
        self._rest = text[end:]
        for step in _STEP.finditer(text[:end]):
            if step["text"]:
                for letter in step["text"]:
                    self._lines.setdefault(self._row, {})[self._column] = letter
                    self._column += 1
            elif step["sign"]:
                self._column = 0 if step["sign"] == "\r" else max(0, self._column - 1)
                if step["sign"] == "\n":
                    self._row, self._column = self._row + 1, 0
            elif step["final"] == "H":
                row, _, column = step["parameters"].partition(";")
                self._row, self._column = int(row or 1) - 1, int(column or 1) - 1
            elif step["final"] == "J" and step["parameters"] == "2":
                self._lines.clear()

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(
            "".join(line.get(column, " ") for column in range(max(line, default=-1) + 1))
            for line in (self._lines.get(row, {}) for row in range(max(self._lines, default=0) + 1))
        )


class Window:
    """A terminal in which `gemma4` runs.

    Args:
        arguments: of the program.
        environ: what it finds in its environment, besides what is there.
        size: lines and columns.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        size: tuple[int, int] = (40, 100),
    ) -> None:
        self._master, self._slave = pty.openpty()
        termios.tcsetwinsize(self._slave, size)
        self.modes = self.modes_now
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gemma4_mlx.cli", *arguments],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={**os.environ, **environ},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.raw = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._screen = Screen()

    @property
    def modes_now(self) -> list:
        """As `modes`, which were before."""
        # Of our end: where a Mac's terminal has lost who it belonged to, the other cannot be asked.
        modes = termios.tcgetattr(self._master)
        modes[3] &= ~termios.PENDIN
        return modes

    @property
    def text(self) -> str:
        """What is on the screen."""
        return self._screen.text

    def wait_for(self, text: str) -> None:
        """Until this can be read on the screen."""
        self.wait_until(lambda: text in self.text, text)

    def wait_until(self, is_so: Callable[[], bool], what: str = "") -> None:
        """Until something is so."""
        until = time.monotonic() + PATIENCE_S
        while not is_so():
            gone = self.process.poll() is not None and not self._read()
            assert not gone, f"ended without {what!r}:\n{self.text}"
            assert time.monotonic() < until, f"waited for {what!r}:\n{self.text}"
            self._read()

    def type(self, keys: str) -> None:
        """Press keys, one after the other."""
        os.write(self._master, keys.encode())

    def paste(self, text: str) -> None:
        """Paste, as terminals do."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def end(self) -> int:
        """Wait for the end of the program; returns its exit code."""
        self.wait_until(lambda: self.process.poll() is not None, "the end")
        while self._read():
            pass
        return self.process.returncode

    def close(self) -> None:
        """End what still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.05)[0]:
            return False
        data = os.read(self._master, 65536)
        self.raw += data
        self._screen.write(self._decoder.decode(data))
        return bool(data)

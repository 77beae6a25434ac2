"""One run of the engine process, from its start to its end, seen from the face.

Two threads belong to it: one starts it and reads what it says until its end, one writes to it.
So nobody who asks or stops ever waits for a pipe, and its end is known as soon as the system
closes the other end, however it came.
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import gemma4_mlx
from gemma4_mlx.engine.lines import LineBuffer
from gemma4_mlx.engine.log import EngineLog
from gemma4_mlx.engine.recording import Recorder
from gemma4_mlx.errors import EngineError

_LOG = logging.getLogger(__name__)

READ_BYTES = 65536

HELLO_S = 60.0
"""How long a process may take to say its first line."""

KILLED_S = 10.0
"""How long the system may take to end what was killed; giving back much memory takes a while."""

SILENCE_S = 5.0
"""After how long without a line the face is told, again and again."""

LEAVE_S = 2.0
"""How long a process may take to keep its state and to end when it is asked to leave."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended.

    Attributes:
        code: as `subprocess` gives it: below 0 for a signal; None if it never began.
        fault: what it did wrong before it was ended for that; empty if nothing.
        hint: what to do about that, if it is known.
    """

    code: int | None
    fault: str = ""
    hint: str = ""


class Owner(Protocol):
    """Who has a process."""

    def on_line(self, process: EngineProcess, line: bytes) -> None:
        """It has said something; an `EngineError` ends it."""

    def on_silence(self, process: EngineProcess) -> None:
        """It has said nothing for `SILENCE_S`, after it has said something."""

    def on_end(self, process: EngineProcess, ending: Ending) -> None:
        """It is gone; the last call."""


class EngineProcess:
    """One run of the engine process.

    Args:
        command: that starts it.
        log: for its stdout and stderr.
        owner: is told what it says, on a thread of this object.
        recorder: gets a copy of all that is said.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: EngineLog,
        owner: Owner,
        recorder: Recorder | None = None,
    ) -> None:
        self._command = command
        self._log = log
        self._owner = owner
        self._recorder = recorder
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._has_spoken = False
        self._lock = threading.Lock()
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="gemma4-engine-reader", daemon=True)
        self._before: Callable[[], object] = _nothing

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid if self._process else None

    def start(self, before: Callable[[], object] | None = None) -> None:
        """Begin; returns at once.

        Args:
            before: is called first, on the thread that starts the process; may take its time.
        """
        self._before = before or _nothing
        self._thread.start()

    def send(self, line: bytes) -> None:
        """Say something; returns at once."""
        self._outbox.put(line)

    def kill(self) -> None:
        """End it now, whatever it does; returns at once."""
        with self._lock:
            self._killed = True
            if self._process and self._process.returncode is None:
                self._process.kill()

    def leave(self, line: bytes) -> bool:
        """Ask it to leave, kill it if it does not; wait for the end.

        Args:
            line: that asks it.

        Returns:
            Whether it has ended; the system can keep a killed one for a while.
        """
        self.send(line)
        if not self.join(LEAVE_S):
            self.kill()
        return self.join(LEAVE_S)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; say whether it has come."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        ending = Ending(None)
        try:
            self._before()
            ending = self._live()
        except OSError as error:
            ending = Ending(None, f"cannot be started: {error}")
        finally:
            self._owner.on_end(self, ending)

    def _live(self) -> Ending:
        process = self._begin()
        if process is None:
            return Ending(None)
        assert process.stdin is not None and process.stdout is not None
        writer = threading.Thread(
            target=self._write, args=(process.stdin.fileno(),), daemon=True,
            name="gemma4-engine-writer",
        )  # fmt: skip
        writer.start()
        fault = hint = ""
        try:
            self._read(process.stdout.fileno())
        except EngineError as error:
            fault, hint = error.message, error.hint
            self.kill()
        except Exception as error:
            _LOG.exception("reading from the engine failed")
            fault = f"could not be understood: {error}"
            self.kill()
        code = self._await_end(process)
        if code is None:
            fault = fault or "it closed its pipe and cannot be ended"
        elif self._recorder:
            self._recorder.note_end(code, killed=self._killed)
        self._outbox.put(None)
        writer.join(LEAVE_S)
        if not writer.is_alive():  # else somebody else holds the pipe open, and does not read
            process.stdin.close()
            process.stdout.close()
        return Ending(code, fault, hint)

    def _await_end(self, process: subprocess.Popen[bytes]) -> int | None:
        """Its exit code; None if the system keeps it, though it was killed."""
        for patience_s in (LEAVE_S / 4, KILLED_S):
            try:
                return process.wait(patience_s)
            except subprocess.TimeoutExpired:
                # Who closes its end of the pipe without an end of its own is of no use any more.
                self.kill()
        return None

    def _begin(self) -> subprocess.Popen[bytes] | None:
        log = self._log.open()
        try:
            with self._lock:
                if self._killed:
                    return None
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    bufsize=0,
                    env=_environment(),
                    # Ctrl+C in the terminal is for the face alone.
                    start_new_session=True,
                )
                return self._process
        finally:
            os.close(log)

    def _read(self, pipe: int) -> None:
        buffer = LineBuffer()
        while data := self._next(pipe):
            for line in buffer.feed(data):
                self._has_spoken = True
                if self._recorder:
                    self._recorder.note("engine", line)
                self._owner.on_line(self, line)
        if buffer.begun:
            _LOG.warning("the engine ended in the middle of a line")

    def _next(self, pipe: int) -> bytes:
        """More of what it says; nothing once it has ended, whoever else holds its pipe open."""
        while not _says_something(pipe, SILENCE_S if self._has_spoken else HELLO_S):
            if not self._has_spoken:
                raise EngineError(f"it said nothing for {HELLO_S:.0f} s")
            if self._process and self._process.poll() is not None:
                return b""
            self._owner.on_silence(self)
        return os.read(pipe, READ_BYTES)

    def _write(self, pipe: int) -> None:
        while (line := self._outbox.get()) is not None:
            if self._recorder:
                self._recorder.note("face", line)
            try:
                while line:
                    line = line[os.write(pipe, line) :]
            except OSError:  # it is gone; whoever reads from it knows already
                return


def _environment() -> dict[str, str]:
    """So that both ends are of the same program, also where it is not installed."""
    here = Path(gemma4_mlx.__file__).parents[1]
    if here.name in ("site-packages", "dist-packages"):  # Python looks there by itself, and last
        return dict(os.environ)
    paths = [str(here), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _says_something(pipe: int, timeout_s: float) -> bool:
    poll = select.poll()  # unlike `select`, it takes any descriptor
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _nothing() -> None:
    """Nothing comes first."""

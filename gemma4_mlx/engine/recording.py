"""A run of an engine as a file, and a process that plays it back in place of a model.

A file has one JSON object a line, of these kinds, in the order in which they happened:

    {"s": 0.51, "from": "engine", "line": {...}}   said by the engine, seconds after the start
    {"s": 0.52, "from": "face", "line": {...}}     said to it; playing waits until that is said
    {"raw": "text"}                                said by the engine, but no line of the protocol
    {"stderr": "text"}                             written to the log
    {"sleep": 2.5}                                 deaf for so many seconds
    {"close": 1}                                   the pipe to the face closed, and no end of it
    {"signal": 9}, {"exit": 3}                     how it ended by itself
    {"killed": true}                               how it ended, if the face ended it

The first two and the ends are recorded; the others are for tests to write. What follows an end is
of the next process, and is not played. Pings and what they are answered with are not recorded: what
is played does not know them, and is not asked.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from gemma4_mlx.engine.lines import PING, LineBuffer
from gemma4_mlx.errors import UsageError

_LOG = logging.getLogger(__name__)

RECORD = "GEMMA4_RECORD"
"""Environment variable: a file to which every engine of this program is recorded."""


_PINGS: list[Any] = [{"do": PING}, {"event": "alive"}]


class Recorder:
    """Writes what is said both ways.

    Args:
        path: of the file; it is begun anew.
    """

    def __init__(self, path: Path) -> None:
        self._began_s = time.perf_counter()
        self._lock = threading.Lock()
        path.write_bytes(b"")
        self._path = path
        self._is_broken = False

    def note(self, speaker: Literal["engine", "face"], line: bytes) -> None:
        """Add a line of the protocol."""
        try:
            said: Any = json.loads(line)
        except ValueError:
            step: dict[str, Any] = {"raw": line.decode("utf-8", "replace") + "\n"}
        else:
            if said in _PINGS:
                return
            step = {"from": speaker, "line": _without_pings(said)}
        self._add(step)

    def note_end(self, code: int, *, killed: bool) -> None:
        """Add how the process ended.

        Args:
            code: as `subprocess` gives it.
            killed: whether the face did it.
        """
        self._add({"killed": True} if killed else {"signal": -code} if code < 0 else {"exit": code})

    def _add(self, step: Mapping[str, Any]) -> None:
        seconds = round(time.perf_counter() - self._began_s, 4)
        with self._lock:
            if self._is_broken:
                return
            try:
                with self._path.open("a", encoding="ascii") as file:
                    file.write(json.dumps({"s": seconds, **step}) + "\n")
            except OSError as error:  # what is said goes on
                self._is_broken = True
                _LOG.warning("the recording ends here: %s", error)


def _without_pings(said: Any) -> Any:
    """A hello of an engine that does not know them; other lines as they are."""
    match said:
        case {"event": "hello", "commands": [*commands]}:
            return {**said, "commands": [each for each in commands if each != PING]}
    return said


def recorder_of(path: Path | None) -> Recorder | None:
    """One that writes to this file, or to the one that the environment names.

    Raises:
        UsageError: the file cannot be written.
    """
    named = path or os.environ.get(RECORD)
    try:
        return Recorder(Path(named)) if named else None
    except OSError as error:
        raise UsageError(f"nothing can be recorded: {error}", f"see {RECORD}") from None


class Player:
    """Says what a recorded engine said, when it is asked what that one was asked.

    Args:
        path: of the recording.
        commands, replies: descriptors to read from and to write to.
        pace: 1 takes the time that the recorded run took, 0 none.
    """

    def __init__(self, path: Path, commands: int, replies: int, *, pace: float = 0.0) -> None:
        self._steps = _steps(path)
        self._commands = _commands(commands)
        self._replies = replies
        self._pace = pace
        self._turns: dict[int, int] = {}
        self._left = False

    def play(self) -> None:
        """To the end of the script or of the face; a script without an end waits to be left."""
        began_s = time.perf_counter()
        for step in self._steps:
            at_s = began_s + self._pace * step.get("s", 0.0)
            time.sleep(max(0.0, at_s - time.perf_counter()))
            if not self._do(step):
                return
        self._await("bye", None)

    def _do(self, step: Mapping[str, Any]) -> bool:
        """One step; whether anybody is there still."""
        match step:
            case {"from": "face", "line": {"do": wanted, **told}}:
                return self._await(wanted, told.get("turn"))
            case {"from": "engine", "line": line}:
                if line.get("turn") is not None:
                    line = {**line, "turn": self._turns.get(line["turn"], line["turn"])}
                _write(self._replies, json.dumps(line).encode() + b"\n")
            case {"raw": text}:
                _write(self._replies, text.encode())
            case {"stderr": text}:
                _write(2, text.encode())
            case {"sleep": seconds}:
                time.sleep(seconds)
            case {"close": 1}:
                os.close(self._replies)
            case {"signal": number}:
                os.kill(os.getpid(), number)
            case {"exit": code}:
                os._exit(code)
            case {"killed": True}:
                return self._await("nothing but that", None)
        return True

    def _await(self, wanted: str, turn: int | None) -> bool:
        """Pass over what was not said in the recorded run."""
        for command in () if self._left else self._commands:
            self._left = command.get("do") == "bye"
            if command.get("do") == wanted:
                if turn is not None:
                    self._turns[turn] = command["turn"]
                return True
            if self._left:
                break
        return False


def _steps(path: Path) -> list[dict[str, Any]]:
    try:
        steps = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if all(isinstance(step, dict) for step in steps):
            return steps
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be played: {error}") from None
    raise UsageError(f"{path} cannot be played: it is no recording of an engine")


def _commands(pipe: int) -> Iterator[dict[str, Any]]:
    buffer = LineBuffer()
    while data := os.read(pipe, 65536):
        for line in buffer.feed(data):
            yield json.loads(line)


def _write(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]

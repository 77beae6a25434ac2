"""A face in a test: it asks an engine process and keeps what it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Queue
from typing import Any

from gemma4_mlx.engine import EngineClient, TurnRequest
from gemma4_mlx.engine.client import engine_command
from gemma4_mlx.engine.lines import Hello, Reply, Told, encode
from gemma4_mlx.events import Event, Failed, Finished, LoadProgress, ModelReady

HELLO = TurnRequest([{"role": "user", "content": "Hello"}])
READY = ModelReady("toy", True, False, 70, 128)
PATIENCE_S = 20.0


class Face:
    """An `EngineClient` and its listener.

    Args:
        model: to ask for.
        folder: for the log.
        options: of `EngineClient`.
    """

    def __init__(self, model: str, folder: Path, **options: Any) -> None:
        self.events: Queue[Event] = Queue()
        self.client = EngineClient(model, log_folder=folder / "logs", **options)

    def start(self) -> Face:
        self.client.start(self.events.put)
        return self

    def next(self, timeout_s: float = PATIENCE_S) -> Event:
        return self.events.get(timeout=timeout_s)

    def until(self, *kinds: type) -> list[Event]:
        """All that is told up to and including an event of one of these kinds."""
        heard = [self.next()]
        while not isinstance(heard[-1], kinds):
            heard.append(self.next())
        return heard

    def drain(self) -> list[Event]:
        """What was told and not looked at."""
        return [self.events.get_nowait() for _ in range(self.events.qsize())]

    def ask(self, request: TurnRequest = HELLO) -> list[Event]:
        """Everything that is told of a turn."""
        self.client.submit(request)
        return self.until(Finished, Failed)


# Steps of a script that `python -m gemma4_mlx.engine --play` plays; see `recording.py`.


def says(*said: Reply) -> list[dict[str, Any]]:
    """The engine says this."""
    return [{"from": "engine", "line": json.loads(encode(each))} for each in said]


def tells(turn: int | None, *events: Event) -> list[dict[str, Any]]:
    """The engine tells this."""
    return says(*(Told(event, turn) for event in events))


def hears(*commands: str, turn: int | None = None) -> list[dict[str, Any]]:
    """The engine waits for these commands."""
    number = {} if turn is None else {"turn": turn}
    return [{"from": "face", "line": {"do": command, **number}} for command in commands]


LOADS = [*says(Hello()), *hears("start"), *tells(None, LoadProgress(1, 2), READY)]


class PlayedFace(Face):
    """A face whose engine processes play scripts.

    Args:
        folder: for scripts and log.
        scripts: of one process after the other; each a list of steps.
    """

    def __init__(self, folder: Path, *scripts: Sequence[Mapping[str, Any]], **options: Any) -> None:
        self._scripts = list(scripts)
        self._file = folder / "script.jsonl"
        super().__init__(
            "toy", folder, command=engine_command("--play", str(self._file)), **options
        )
        self.play_next()

    def play_next(self) -> None:
        """Say what the next process will play."""
        steps = self._scripts.pop(0)
        self._file.write_text("".join(json.dumps(step) + "\n" for step in steps))

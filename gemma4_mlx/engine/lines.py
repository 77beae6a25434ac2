"""What a face and the engine process say to each other: one JSON object a line.

Here alone values become lines and lines become values; docs/engine.md shows them as tables. Every
line about a turn carries the turn's number, so that nothing of an old turn ends up in a new one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import gemma4_mlx
from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.errors import EngineError
from gemma4_mlx.events import (
    EVENT_NAMES,
    EngineLost,
    EngineSilent,
    Event,
    ToolCall,
    from_json,
    to_json,
)
from gemma4_mlx.limits import MIB

PROTOCOL = 1
"""Goes up when a line changes its meaning; two ends with different numbers do not talk."""

LINE_BYTES = 32 * MIB
"""Longer ones are refused: a stream without an end must not fill the memory."""

PING = "ping"
COMMANDS = ("start", "turn", "stop", "save", PING, "bye")

_OF_THE_FACE = (EngineLost, EngineSilent)
"""What no engine can tell of itself."""

EVENTS = tuple(name for name in EVENT_NAMES if name not in {kind.__name__ for kind in _OF_THE_FACE})


@dataclass(frozen=True, slots=True)
class Start:
    """Load a model; the first command."""

    model: str
    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer a conversation.

    Attributes:
        turn: a number that was not used before.
        request: what to answer, in JSON values; whether it makes sense is found by the engine.
    """

    turn: int
    request: Mapping[str, Any]

    @classmethod
    def of(cls, turn: int, request: TurnRequest) -> Ask:
        """Raises UsageError for a request that cannot leave the process."""
        return cls(turn, request.to_json())


@dataclass(frozen=True, slots=True)
class Stop:
    """End all turns that were asked for before."""


@dataclass(frozen=True, slots=True)
class Save:
    """Write what was read of the conversation now, not only when that is worth it."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Say that you are there."""


@dataclass(frozen=True, slots=True)
class Bye:
    """Leave."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The engine's first line.

    Attributes:
        protocol: that it speaks.
        program: version of the program.
        commands: that it obeys.
        events: that it may tell.
    """

    protocol: int = PROTOCOL
    program: str = gemma4_mlx.__version__
    commands: tuple[str, ...] = COMMANDS
    events: tuple[str, ...] = EVENTS


@dataclass(frozen=True, slots=True)
class Told:
    """An event; of loading, or of the engine as a whole, if it has no turn."""

    event: Event
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of `Save`.

    Attributes:
        note: what was done, or why nothing was.
    """

    note: str


@dataclass(frozen=True, slots=True)
class Alive:
    """The engine has read a `Ping`."""


@dataclass(frozen=True, slots=True)
class Left:
    """The engine's last line, if it leaves on request."""


Command = Start | Ask | Stop | Save | Ping | Bye
Reply = Hello | Told | Saved | Alive | Left


def encode(said: Command | Reply) -> bytes:
    """The line of a value, with its end.

    Raises:
        EngineError: it is longer than a line may be.
    """
    # ASCII alone: neither a lone surrogate in a file's name nor a strange line end can break it.
    line = json.dumps(_json(said), allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
    if len(line) > LINE_BYTES:
        raise EngineError(
            f"a line of {len(line)} bytes, expected {LINE_BYTES} at most",
            "start a new conversation, or hand over large things as files",
        )
    return line


def decode_command(line: bytes) -> Command:
    """What a face wants.

    Raises:
        EngineError: it is no command.
    """
    raw = _object(line)
    try:
        match raw.pop("do", None):
            case "start":
                return Start(**{**raw, "model": _text(raw["model"])})
            case "turn":
                return Ask(_turn(raw["turn"]), _mapping(raw["request"]))
            case "stop":
                return Stop(**raw)
            case "save":
                return Save(**raw)
            case "ping":
                return Ping(**raw)
            case "bye":
                return Bye(**raw)
    except (KeyError, TypeError, ValueError):
        pass
    _refuse(line)


def decode_reply(line: bytes) -> Reply:
    """What the engine tells.

    Raises:
        EngineError: it is no line of an engine.
    """
    raw = _object(line)
    try:
        match raw.get("event"):
            case "hello":
                return _hello(raw)
            case "saved":
                return Saved(str(raw["note"]))
            case "alive":
                return Alive()
            case "bye":
                return Left()
            case _:
                turn = raw.pop("turn", None)
                event = from_json(raw)
                if isinstance(event, _OF_THE_FACE):
                    _refuse(line)
                return Told(event, None if turn is None else _turn(turn))
    except (AttributeError, KeyError, TypeError, ValueError):
        _refuse(line)


class LineBuffer:
    """Bytes as they come, cut anywhere, to whole lines."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that end in `data`, without their ends.

        Raises:
            EngineError: one of them, or what has begun, is too long.
        """
        *ended, begun = data.split(b"\n")
        for piece in ended:
            self._grow(piece)
            line = bytes(self._begun)
            self._begun.clear()
            yield line
        self._grow(begun)

    @property
    def begun(self) -> bytes:
        """The line that has not ended."""
        return bytes(self._begun)

    def _grow(self, piece: bytes) -> None:
        if len(self._begun) + len(piece) > LINE_BYTES:
            raise EngineError(f"a line of more than {LINE_BYTES} bytes")
        self._begun += piece


def _json(said: Command | Reply) -> dict[str, Any]:
    match said:
        case Start(model, protocol):
            return {"do": "start", "protocol": protocol, "model": model}
        case Ask(turn, request):
            return {"do": "turn", "turn": turn, "request": request}
        case Stop():
            return {"do": "stop"}
        case Save():
            return {"do": "save"}
        case Ping():
            return {"do": PING}
        case Bye():
            return {"do": "bye"}
        case Hello():
            known = {"commands": said.commands, "events": said.events}
            return {"event": "hello", "protocol": said.protocol, "program": said.program, **known}
        case Told(event, turn):
            numbered = {} if turn is None else {"turn": turn}
            return {**numbered, **_finite(to_json(_whole_call(event)))}
        case Saved(note):
            return {"event": "saved", "note": note}
        case Alive():
            return {"event": "alive"}
        case Left():
            return {"event": "bye"}


def _hello(raw: Mapping[str, Any]) -> Hello:
    """Read loosely: that of another version must be understood as far as its number."""
    protocol = raw["protocol"]
    if type(protocol) is not int:
        raise ValueError(protocol)
    commands, events = raw.get("commands", ()), raw.get("events", ())
    return Hello(protocol, str(raw.get("program", "")), tuple(commands), tuple(events))


def _object(line: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        _refuse(line)
    if not isinstance(raw, dict):
        _refuse(line)
    return raw


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _refuse(line: bytes) -> NoReturn:
    text = line[:80].decode("utf-8", "replace")
    raise EngineError(f"{text!r} is no line of the engine's protocol") from None


def _turn(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(value)
    return value


def _whole_call(event: Event) -> Event:
    """A call whose arguments JSON cannot hold is one that could not be read."""
    if isinstance(event, ToolCall) and _finite(event.arguments) != event.arguments:
        return replace(event, arguments={}, error="an argument is infinite, or no number")
    return event


def _finite(value: Any) -> Any:
    """Rates and times that are no numbers are not known: 0, as elsewhere."""
    match value:
        case float() if not math.isfinite(value):
            return 0.0
        case Mapping():
            return {key: _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
    return value

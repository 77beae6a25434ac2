"""One turn to answer, as it is handed to an engine."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from gemma4_mlx.errors import UsageError
from gemma4_mlx.messages import AnswerChoices


@dataclass(frozen=True, slots=True)
class TurnRequest(AnswerChoices):
    """One turn to answer.

    Attributes:
        messages: the whole conversation in the chat form, media as paths.
        state_path: file that keeps what was read of this conversation from one engine process to
            the next. The engine writes it while it is idle, and reads it when it is asked about
            a conversation that it does not hold. None keeps nothing.
    """

    messages: Sequence[Mapping[str, Any]]
    state_path: str | None = None

    def options(self) -> dict[str, Any]:
        """What was chosen, as keywords of `gemma4_mlx.Session.answer`."""
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        del chosen["messages"], chosen["state_path"]
        return {name: value for name, value in chosen.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what was not chosen is absent.

        Raises:
            UsageError: something in it is neither text nor a number nor a path.
        """
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: _plain(value) for name, value in chosen.items() if value is not None}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            UsageError: a field that a request has not, or no messages.
        """
        unknown = sorted(raw.keys() - {each.name for each in fields(cls)})
        if unknown:
            raise UsageError(f"a turn has unknown fields: {', '.join(unknown)}")
        if not isinstance(raw.get("messages"), list):
            raise UsageError("a turn needs 'messages', a list in the chat form")
        for name, kind in (("state_path", str), ("thinking", bool)):  # others are looked at later
            if not isinstance(raw.get(name, kind()), kind):
                raise UsageError(f"a turn's {name!r} is {raw[name]!r}, expected a {kind.__name__}")
        return cls(**raw)


def _plain(value: Any) -> Any:
    """As JSON values; no array and no number that JSON has not."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case os.PathLike():
            return os.fspath(value)
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [_plain(each) for each in value]
    raise UsageError(
        f"{_excerpt(value)} cannot be handed to the engine: expected text, numbers or paths",
        "pictures and clips are handed over as paths",
    )


def _excerpt(value: Any) -> str:
    return repr(value) if isinstance(value, float) else f"a {type(value).__name__}"

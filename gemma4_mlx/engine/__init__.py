"""The engine: the one place that holds a model while somebody talks to it.

Requests go in and events come out, both plain values, so that a face (the chat, later a server)
never touches an array. `EngineLike` is what a face needs. `EngineClient` has the model in a
process of its own, `FakeEngine` has none and plays a script.

Each name is loaded when it is first used: a face needs no model, and the engine process no face.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gemma4_mlx.engine.client import EngineClient
    from gemma4_mlx.engine.failures import failure
    from gemma4_mlx.engine.fake import DEMO_READY, FakeEngine
    from gemma4_mlx.engine.like import EngineLike, Listener
    from gemma4_mlx.engine.request import TurnRequest
    from gemma4_mlx.engine.worker import Engine

_HOMES = {
    "DEMO_READY": "fake",
    "Engine": "worker",
    "EngineClient": "client",
    "EngineLike": "like",
    "FakeEngine": "fake",
    "Listener": "like",
    "TurnRequest": "request",
    "failure": "failures",
}

__all__ = [
    "DEMO_READY",
    "Engine",
    "EngineClient",
    "EngineLike",
    "FakeEngine",
    "Listener",
    "TurnRequest",
    "failure",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gemma4_mlx.engine' has no attribute {name!r}")
    return getattr(import_module(f"gemma4_mlx.engine.{_HOMES[name]}"), name)

"""The engine: the one place that holds a model while somebody talks to it.

Requests go in and events come out, both plain values, so that a face (the chat, later a server)
never touches an array. `EngineLike` is what a face needs. `EngineClient` has the model in a
process of its own, `FakeEngine` has none and plays a script.
"""

from gemma4_mlx.engine.client import EngineClient
from gemma4_mlx.engine.failures import failure
from gemma4_mlx.engine.fake import DEMO_READY, FakeEngine
from gemma4_mlx.engine.like import EngineLike, Listener
from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.engine.worker import Engine

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

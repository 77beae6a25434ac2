"""Gemma 4 on Apple silicon: text, images and audio, exact against the reference.

The public names are loaded when they are first used, so that `import gemma4_mlx` is quick.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, whose import would take longer than all that is here

if TYPE_CHECKING:
    from gemma4_mlx.loading import load, load_model
    from gemma4_mlx.session import Session
    from gemma4_mlx.turn import stream

__version__ = "0.1.0"

_HOMES = {"Session": "session", "load": "loading", "load_model": "loading", "stream": "turn"}

__all__ = ["Session", "__version__", "load", "load_model", "stream"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'gemma4_mlx' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"gemma4_mlx.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)

"""Errors as the events that tell of them."""

from __future__ import annotations

from gemma4_mlx.errors import EngineError, Gemma4Error, MemoryLimitError
from gemma4_mlx.events import Failed


def failure(error: BaseException) -> Failed:
    """The event that tells of an error."""
    if isinstance(error, Gemma4Error):
        return Failed(type(error).__name__, error.message, error.hint, error.exit_code)
    if isinstance(error, MemoryError):
        return Failed(
            MemoryLimitError.__name__,
            "the engine ran out of memory",
            "use a smaller image budget, a shorter conversation or a smaller model",
            MemoryLimitError.exit_code,
        )
    return Failed(
        EngineError.__name__,
        f"unexpected {type(error).__name__}: {error}",
        "this is a fault of the program, please report it; the conversation can go on",
    )

"""Errors as the events that tell of them."""

from __future__ import annotations

import re

from gemma4_mlx.errors import EngineError, Gemma4Error, MemoryLimitError
from gemma4_mlx.events import Failed

_OUT_OF_MEMORY = re.compile(
    r"insufficient memory|out ?of ?memory|bad_alloc|unable to allocate|attempting to allocate"
    r"|MemoryError",
    re.IGNORECASE,
)


def tells_of_memory(text: str) -> bool:
    """Whether these words of MLX, Metal or Python are about memory that was lacking."""
    return bool(_OUT_OF_MEMORY.search(text))


def failure(error: BaseException) -> Failed:
    """The event that tells of an error."""
    if isinstance(error, Gemma4Error):
        return Failed(type(error).__name__, error.message, error.hint, error.exit_code)
    # MLX has no error of its own for it.
    in_mlx = isinstance(error, RuntimeError) and tells_of_memory(str(error))
    if in_mlx or isinstance(error, MemoryError):
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

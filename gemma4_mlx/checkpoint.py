"""The tensors of a checkpoint as MLX arrays; its files are checked before anything is allocated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import mlx.core as mx

from gemma4_mlx.errors import CheckpointError
from gemma4_mlx.json_file import read_json_object
from gemma4_mlx.weight_file import read_entries, shard_paths

_AGAIN = "is the folder of the model still there and whole?"
_EVALUATED_BYTES = 8 * 1024**2


def read_tensors(folder: Path) -> dict[str, mx.array]:
    """All tensors of a checkpoint, by name; lazy: bytes are read when they are used.

    Raises:
        ModelNotFoundError, CheckpointError: see `weight_file.read_entries`.
    """
    read_entries(folder)
    tensors: dict[str, mx.array] = {}
    for path in shard_paths(folder):
        tensors.update(_lazy(path))
    return tensors


def evaluate(arrays: Iterable[mx.array], on_read: Callable[[int], None] | None = None) -> None:
    """Read lazy tensors, a few at a time, on this thread.

    A tensor that is cast or copied is in memory twice for a moment. The largest come first, when
    there is room for that: the memory they take together is hardly exceeded on the way.

    Args:
        arrays: to be evaluated.
        on_read: is told how many bytes of them are in memory, as they come.

    Raises:
        CheckpointError: their file is gone or cut short.
    """
    done, batch, batch_bytes = 0, list[mx.array](), 0
    pending = sorted(arrays, key=lambda array: array.nbytes)
    while pending:
        batch.append(pending.pop())
        batch_bytes += batch[-1].nbytes
        if batch_bytes < _EVALUATED_BYTES and pending:
            continue
        try:
            mx.eval(batch)
        except RuntimeError as error:
            raise CheckpointError(f"the weights cannot be read: {error}", _AGAIN) from None
        # What they were cast or copied from; the next ones have other sizes.
        mx.clear_cache()
        done += batch_bytes
        batch, batch_bytes = [], 0
        if on_read is not None:
            on_read(done)


def read_optional_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is no such file.

    Raises:
        CheckpointError: it is not a JSON object.
    """
    return read_json_object(path) if path.is_file() else {}


def _lazy(path: Path) -> dict[str, mx.array]:
    try:
        arrays = mx.load(str(path))
    except RuntimeError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    assert isinstance(arrays, dict)
    return arrays

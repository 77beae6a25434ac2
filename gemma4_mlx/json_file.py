"""JSON objects from the files of a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gemma4_mlx.errors import CheckpointError

_AGAIN = "the file is damaged or its download was cut short: download it again"


def read_json_object(path: Path, error: type[CheckpointError] = CheckpointError) -> dict[str, Any]:
    """Read a file that holds a JSON object.

    Args:
        path: of the file.
        error: raised for whatever is wrong with it; the message names the file.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        message = f"{path} cannot be read: {problem.strerror}"
        raise _of(error, message, "check the folder and its permissions") from None
    return parse_json_object(data, str(path), error)


def parse_json_object(
    data: bytes, name: str, error: type[CheckpointError] = CheckpointError
) -> dict[str, Any]:
    """Parse a JSON object in which no name stands twice; errors call it `name`."""
    try:
        value = json.loads(data, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as problem:
        raise _of(error, f"{name} is not valid JSON: {problem}", _AGAIN) from None
    if not isinstance(value, dict):
        raise _of(error, f"{name} must hold a JSON object, not {type(value).__name__}", _AGAIN)
    return value


def _of(error: type[CheckpointError], message: str, hint: str) -> CheckpointError:
    return error(message, hint)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{double!r} is there twice")
    return result

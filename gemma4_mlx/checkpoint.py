"""The files of a checkpoint: its shards, checked before anything is read from them.

Reference: the safetensors format: eight bytes of header length, a JSON header with dtype, shape
and byte offsets of every tensor, then the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx

from gemma4_mlx.errors import CheckpointError, ModelNotFoundError

_HEADER_LIMIT_BYTES = 100_000_000
_AGAIN = "the file is damaged or its download was cut short: download it again"


def shard_paths(folder: Path) -> list[Path]:
    """The weight files of a checkpoint, in order.

    Raises:
        ModelNotFoundError: there are none, or one that the index names is not there.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(_read_json(index).get("weight_map", {}).values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelNotFoundError(
                f"{folder}: {index.name} names files that are not there: {', '.join(missing)}",
                "the download is not complete: download the model again",
            )
        return [folder / name for name in names]
    paths = sorted(folder.glob("model*.safetensors"))
    if not paths:
        raise ModelNotFoundError(
            f"{folder} has no model.safetensors", "give the folder of a checkpoint in safetensors"
        )
    return paths


def read_shard(path: Path) -> dict[str, mx.array]:
    """The tensors of one file, by name; lazy: bytes are read when they are used.

    Raises:
        CheckpointError: the file is cut short or is not a safetensors file.
    """
    _check_size(path)
    arrays = mx.load(str(path))
    assert isinstance(arrays, dict)
    return arrays


def read_optional_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is no such file.

    Raises:
        CheckpointError: it is not valid JSON.
    """
    return _read_json(path) if path.is_file() else {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}", _AGAIN) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object")
    return value


def _check_size(path: Path) -> None:
    """Raise unless the file is exactly as long as its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _HEADER_LIMIT_BYTES):
            raise CheckpointError(f"{path} is not a whole safetensors file ({size} bytes)", _AGAIN)
        try:
            header: Mapping[str, Any] = json.loads(file.read(length))
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise CheckpointError(f"{path} has a damaged header", _AGAIN) from None
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise CheckpointError(f"{path} has {size} bytes, its header says {expected}", _AGAIN)

"""The weight files of a checkpoint, checked before anything is allocated.

Reference: the safetensors format: eight bytes of header length, a JSON header with dtype, shape
and byte offsets of every tensor, then the bytes, without gaps or overlaps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx

from gemma4_mlx.errors import CheckpointError, ModelNotFoundError
from gemma4_mlx.json_file import parse_json_object, read_json_object

_HEADER_LIMIT_BYTES = 100_000_000
_AGAIN = "the file is damaged or its download was cut short: download it again"
_ITEM_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64"), 8),
}


def read_tensors(folder: Path) -> dict[str, mx.array]:
    """All tensors of a checkpoint, by name; lazy: bytes are read when they are used.

    Raises:
        ModelNotFoundError: there are no weight files, or one that the index names is not there.
        CheckpointError: a file is damaged, or the files and the index contradict each other.
    """
    tensors: dict[str, mx.array] = {}
    for path in shard_paths(folder):
        shard = read_shard(path)
        twice = sorted(tensors.keys() & shard.keys())
        if twice:
            raise CheckpointError(f"{path} holds tensors that another file holds, too: {twice[0]}")
        tensors.update(shard)
    absent = sorted(_weight_map(folder).keys() - tensors.keys())
    if absent:
        raise CheckpointError(
            f"{folder}: the index names {len(absent)} tensors that no file holds: {absent[0]}",
            _AGAIN,
        )
    return tensors


def shard_paths(folder: Path) -> list[Path]:
    """The weight files of a checkpoint, in order.

    Raises:
        ModelNotFoundError: there are none, or one that the index names is not there.
        CheckpointError: the index names a file outside the folder.
    """
    names = sorted(set(_weight_map(folder).values()))
    if not names:
        paths = sorted(folder.glob("model*.safetensors"))
        if paths:
            return paths
        raise ModelNotFoundError(
            f"{folder} has no model.safetensors", "give the folder of a checkpoint in safetensors"
        )
    for name in names:
        if Path(name).name != name:
            raise CheckpointError(f"{folder}: the index names {name!r}, a file outside the folder")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelNotFoundError(
            f"{folder}: the index names files that are not there: {', '.join(missing)}",
            "the download is not complete: download the model again",
        )
    return [folder / name for name in names]


def read_shard(path: Path) -> dict[str, mx.array]:
    """The tensors of one file, by name; lazy.

    Raises:
        CheckpointError: the file is cut short, or not a safetensors file.
    """
    try:
        _check_shard(path)
        arrays = mx.load(str(path))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except RuntimeError as error:
        raise CheckpointError(f"{path} cannot be read: {error}", _AGAIN) from None
    assert isinstance(arrays, dict)
    return arrays


def read_optional_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is no such file.

    Raises:
        CheckpointError: it is not a JSON object.
    """
    return read_json_object(path) if path.is_file() else {}


def _weight_map(folder: Path) -> Mapping[str, str]:
    """Tensor name -> file name; empty where there is no index."""
    path = folder / "model.safetensors.index.json"
    names = read_optional_json(path).get("weight_map", {})
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise CheckpointError(f"{path}: weight_map must name a file for each tensor")
    return names


def _check_shard(path: Path) -> None:
    """Raise unless the header is sound and the file exactly as long as it says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _HEADER_LIMIT_BYTES):
            raise CheckpointError(f"{path} is not a whole safetensors file ({size} bytes)", _AGAIN)
        header = parse_json_object(file.read(length), f"the header of {path}")
    header.pop("__metadata__", None)
    end = 0
    for start, stop, name in sorted(_ranges(header, path)):
        if start != end:
            raise CheckpointError(
                f"{path}: {name} begins at byte {start} of the data, expected {end}", _AGAIN
            )
        end = stop
    if size != 8 + length + end:
        raise CheckpointError(
            f"{path} has {size} bytes, its header says {8 + length + end}", _AGAIN
        )


def _ranges(header: Mapping[str, Any], path: Path) -> Iterable[tuple[int, int, str]]:
    """First byte, the one behind the last, and name of every tensor."""
    for name, entry in header.items():
        try:
            start, stop = entry["data_offsets"]
            _check_whole(start, stop, *entry["shape"])
            expected = math.prod(entry["shape"]) * _ITEM_BYTES[entry["dtype"]]
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(
                f"{path}: the header's entry of {name} is damaged", _AGAIN
            ) from None
        if stop - start != expected:
            raise CheckpointError(
                f"{path}: {name} has {stop - start} bytes, its shape and dtype say {expected}",
                _AGAIN,
            )
        yield start, stop, name


def _check_whole(*numbers: object) -> None:
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("offsets and sizes are whole numbers from 0 on")

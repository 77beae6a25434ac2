"""The weight files of a checkpoint: what they hold, from their checked headers alone.

Reference: the safetensors format: eight bytes of header length, a JSON header with dtype, shape
and byte offsets of every tensor, then the bytes, without gaps or overlaps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from gemma4_mlx.errors import CheckpointError, ModelNotFoundError
from gemma4_mlx.json_file import parse_json_object, read_json_object

INDEX_NAME = "model.safetensors.index.json"

_HEADER_LIMIT_BYTES = 100_000_000
_AGAIN = "the file is damaged or its download was cut short: download it again"

ITEM_BYTES: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64"), 8),
}
"""Bytes of one value, by the format's names of dtypes."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where a tensor stands.

    Attributes:
        name: in the file.
        dtype: by the format's name, such as "BF16".
        shape: of the tensor.
        path: of the file.
        start: offset in the file of its first byte.
        nbytes: its length.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    start: int
    nbytes: int


def read_entries(folder: Path) -> dict[str, TensorEntry]:
    """All tensors of a checkpoint, by name; no tensor is read.

    Raises:
        ModelNotFoundError: there are no weight files, or one that the index names is not there.
        CheckpointError: a file is damaged, or the files and the index contradict each other.
    """
    entries: dict[str, TensorEntry] = {}
    for path in shard_paths(folder):
        shard = read_header(path)
        twice = sorted(entries.keys() & shard.keys())
        if twice:
            raise CheckpointError(f"{path} holds tensors that another file holds, too: {twice[0]}")
        entries.update(shard)
    absent = sorted(_weight_map(folder).keys() - entries.keys())
    if absent:
        raise CheckpointError(
            f"{folder}: the index names {len(absent)} tensors that no file holds: {absent[0]}",
            _AGAIN,
        )
    return entries


def middle_bytes(entries: Iterable[TensorEntry], most: int = 64) -> Iterator[bytes]:
    """Some bytes of each tensor: from its middle, as the first rows of tables are often special.

    Args:
        entries: of the tensors, whose order is kept.
        most: so many bytes, or half a tensor where that is less.

    Raises:
        CheckpointError: a file cannot be read.
    """
    for path, of_file in groupby(entries, key=attrgetter("path")):
        try:
            with path.open("rb", buffering=0) as file:
                for entry in of_file:
                    file.seek(entry.start + entry.nbytes // 2)
                    yield file.read(min(most, entry.nbytes - entry.nbytes // 2))
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error}", _AGAIN) from None


def tensor_names(folder: Path) -> set[str]:
    """Names of a checkpoint's tensors, from its index or its headers; empty without weights.

    What the headers say of them is not checked: see `read_header`.

    Raises:
        CheckpointError: the index or a file cannot be read.
    """
    indexed = _weight_map(folder)
    if indexed:
        return set(indexed)
    paths = folder.glob("model*.safetensors")
    return {name for path in paths for name in _read_json_header(path)[2]}


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


def read_header(path: Path) -> dict[str, TensorEntry]:
    """The tensors of one file, by name; the file is exactly as long as they say.

    Raises:
        CheckpointError: the file cannot be read, is cut short, or not a safetensors file.
    """
    size, data, header = _read_json_header(path)
    entries = sorted(_entries(header, path, data), key=lambda e: (e.start, e.nbytes))
    _check_gapless(entries, path, data, size)
    return {entry.name: entry for entry in entries}


def _read_json_header(path: Path) -> tuple[int, int, dict[str, Any]]:
    """The file's size, where its data begin, and what it says of each tensor, unchecked."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            whole = size >= 8 and length <= min(size - 8, _HEADER_LIMIT_BYTES)
            text = file.read(length) if whole else b""
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    if not whole:
        raise CheckpointError(f"{path} is not a whole safetensors file ({size} bytes)", _AGAIN)
    header = parse_json_object(text, f"the header of {path}")
    header.pop("__metadata__", None)
    return size, 8 + length, header


def _weight_map(folder: Path) -> Mapping[str, str]:
    """Tensor name -> file name; empty where there is no index."""
    path = folder / INDEX_NAME
    names = (read_json_object(path) if path.is_file() else {}).get("weight_map", {})
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise CheckpointError(f"{path}: weight_map must name a file for each tensor")
    return names


def _check_gapless(entries: list[TensorEntry], path: Path, data: int, size: int) -> None:
    """Raise unless the tensors fill the file from `data` to its end."""
    end = data
    for entry in entries:
        if entry.start != end:
            raise CheckpointError(
                f"{path}: {entry.name} begins at byte {entry.start - data} of the data, expected "
                f"{end - data}",
                _AGAIN,
            )
        end += entry.nbytes
    if size != end:
        raise CheckpointError(f"{path} has {size} bytes, its header says {end}", _AGAIN)


def _entries(header: Mapping[str, Any], path: Path, data: int) -> Iterable[TensorEntry]:
    for name, raw in header.items():
        try:
            start, stop = raw["data_offsets"]
            shape = tuple(raw["shape"])
            _check_whole(start, stop, *shape)
            expected = math.prod(shape) * ITEM_BYTES[raw["dtype"]]
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(
                f"{path}: the header's entry of {name} is damaged", _AGAIN
            ) from None
        if stop - start != expected:
            raise CheckpointError(
                f"{path}: {name} has {stop - start} bytes, its shape and dtype say {expected}",
                _AGAIN,
            )
        yield TensorEntry(name, raw["dtype"], shape, path, data + start, expected)


def _check_whole(*numbers: object) -> None:
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("offsets and sizes are whole numbers from 0 on")

"""A session on disk: one safetensors file with the caches, the snapshots and their keys.

Whatever could make an answer another one is checked before the caches are used: the format, the
program's version, the model, and every byte. Keys and values as they were kept follow from the
program as well as from the model, so a file does not outlive the version that wrote it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

import gemma4_mlx
from gemma4_mlx.cache import KVCache
from gemma4_mlx.errors import CacheError, CheckpointError, SessionError, UsageError
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.limits import MIB
from gemma4_mlx.model import Gemma4
from gemma4_mlx.session.model_identity import model_identity
from gemma4_mlx.session.trunk import Trunk
from gemma4_mlx.weight_file import read_header

FORMAT = "gemma4-mlx session 1"

SNAPSHOT_FILE_BYTES = 1024 * MIB
"""The most of snapshots that a file holds: it is written again and again."""

_READ_AGAIN = "the conversation can go on: it is read again"
_LIVE = "live"
_ENTRY_BYTES = 96
"""Of an array in the file's header, about."""


def session_bytes(trunk: Trunk) -> int:
    """Bytes that `write_session` would write, to a few hundred."""
    arrays = _arrays(trunk)
    kept = sum(array.nbytes for array in arrays.values())
    return kept + len(_positions_json(trunk)) + _ENTRY_BYTES * (len(arrays) + 5)


def write_session(path: Path, trunk: Trunk, model: Gemma4) -> None:
    """Write what a trunk holds; the file is there as a whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    arrays = _arrays(trunk)
    fields = {
        "format": FORMAT,
        "version": gemma4_mlx.__version__,
        "model": model_identity(model),
        "kv": json.dumps({"bits": trunk.kv.bits, "folded": trunk.kv.folded}),
        "offset": str(trunk.offset),
        "snapshots": json.dumps(list(_snapshots(trunk))),
        "positions": _positions_json(trunk),
    }
    fields["sha256"] = _digest(arrays, fields)
    # MLX puts .safetensors behind any other name.
    beside = path.parent / f".{path.name}.{os.getpid()}.safetensors"
    try:
        _begin_private(beside)
        mx.save_safetensors(str(beside), arrays, fields)
        os.replace(beside, path)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be written: {error}", "is there room on the disk?"
        ) from None
    finally:
        with suppress(OSError, ValueError):  # a name that is too long, or none: it is not there
            beside.unlink()


def read_session(path: Path, model: Gemma4, snapshot_bytes: int) -> Trunk:
    """The trunk that `write_session` wrote.

    Raises:
        SessionError: there is no such file, it is damaged, or of another model or version.
    """
    arrays, fields = _load(path)
    for name, expected, whose in (
        ("format", FORMAT, "it is of another format"),
        ("version", gemma4_mlx.__version__, "another version of this program wrote it"),
        (
            "model",
            model_identity(model),
            "it is of another model, or of one loaded otherwise",
        ),
    ):
        if fields.get(name) != expected:
            raise SessionError(f"{path} cannot be used: {whose}", _READ_AGAIN)
    if fields.get("sha256") != _digest(arrays, fields):
        raise SessionError(f"{path} is damaged: its bytes are not those written", _READ_AGAIN)
    try:
        return _trunk(arrays, fields, model, snapshot_bytes)
    except (CacheError, KeyError, TypeError, ValueError) as error:
        raise SessionError(f"{path} does not fit together: {error}", _READ_AGAIN) from None


def _begin_private(path: Path) -> None:
    """An empty file that nobody else can read: what was said can be guessed from keys."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _trunk(
    arrays: Mapping[str, mx.array], fields: Mapping[str, str], model: Gemma4, snapshot_bytes: int
) -> Trunk:
    kv, offset = KVFormat(**json.loads(fields["kv"])), int(fields["offset"])
    trunk = Trunk(model.make_cache(kv), kv, snapshot_bytes)
    _fill(trunk.caches, arrays, _LIVE, offset)
    snapshots: dict[int, list[KVCache]] = {}
    for place in json.loads(fields["snapshots"]):
        windows = [one for one in model.make_cache(kv) if one.window is not None]
        _fill(windows, arrays, str(place), place)
        snapshots[place] = windows
    positions = np.array(json.loads(fields["positions"]), np.int64)
    if positions.shape != (offset,):
        raise ValueError(f"{len(positions)} keys for {offset} positions")
    trunk.resume(positions, snapshots)
    return trunk


def _arrays(trunk: Trunk) -> dict[str, mx.array]:
    """All that is kept, by name: whose, which cache, which of its arrays."""
    places = {_LIVE: trunk.caches, **{str(at): kept for at, kept in _snapshots(trunk).items()}}
    return {
        f"{place}.{index}.{part}": rows
        for place, caches in places.items()
        for index, one in enumerate(caches)
        for part, rows in enumerate(one.kept_rows())
    }


def _snapshots(trunk: Trunk) -> dict[int, Sequence[KVCache]]:
    """Those that a file has room for; the last ones, for there most prompts part."""
    kept: dict[int, Sequence[KVCache]] = {}
    left_bytes = SNAPSHOT_FILE_BYTES
    for place, windows in sorted(trunk.snapshots.items(), reverse=True):
        left_bytes -= sum(one.nbytes for one in windows)
        if left_bytes < 0:
            break
        kept[place] = windows
    return dict(sorted(kept.items()))


def _fill(caches: list[KVCache], arrays: Mapping[str, mx.array], place: str, offset: int) -> None:
    for index, one in enumerate(caches):
        one.resume(list(_parts(arrays, f"{place}.{index}")), offset)


def _parts(arrays: Mapping[str, mx.array], name: str) -> Iterator[mx.array]:
    """The arrays of one cache; there is one at least."""
    yield arrays[f"{name}.0"]
    part = 1
    while f"{name}.{part}" in arrays:
        yield arrays[f"{name}.{part}"]
        part += 1


def _positions_json(trunk: Trunk) -> str:
    return json.dumps(trunk.positions.tolist(), separators=(",", ":"))


def _load(path: Path) -> tuple[dict[str, mx.array], dict[str, str]]:
    try:
        if not path.is_file():
            raise SessionError(f"there is no file {path}", _READ_AGAIN)
        read_header(path)  # MLX believes whatever a header says
        loaded: Any = mx.load(str(path), format="safetensors", return_metadata=True)
    except CheckpointError as error:
        raise SessionError(f"{path} is damaged: {error.message}", _READ_AGAIN) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise SessionError(f"{path} cannot be read: {error}", _READ_AGAIN) from None
    return loaded


def _digest(arrays: Mapping[str, mx.array], fields: Mapping[str, str]) -> str:
    """Of every byte: fields and arrays, by name."""
    digest = hashlib.sha256()
    for name in sorted(fields.keys() - {"sha256"}):
        digest.update(f"{name}={fields[name]}\n".encode())
    for name in sorted(arrays):
        array = mx.contiguous(arrays[name])
        digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
        digest.update(np.array(array.view(mx.uint8), copy=False).data)
    return digest.hexdigest()

"""The table of per-layer embeddings, left in its file.

A token needs one row of it, a few kilobytes out of gigabytes. The file is mapped into memory, so
that the system reads the pages of those rows and nothing else, and takes them back whenever it
needs the room.

Reference: transformers `Gemma4TextModel.embed_tokens_per_layer`.
Differs: the rows are gathered on the host, so the ids must be known there: asking for the rows of
a token that is still being computed waits for it. What is done with the rows is what the module
in memory does, so the results are the same to the bit.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from gemma4_mlx.errors import CheckpointError, UsageError
from gemma4_mlx.weight_file import TensorEntry

# NumPy has no bfloat16: its bits travel as whole numbers.
_HOST_DTYPES: Mapping[str, tuple[np.dtype, mx.Dtype]] = {
    "BF16": (np.dtype(np.uint16), mx.bfloat16),
    "F16": (np.dtype(np.float16), mx.float16),
    "F32": (np.dtype(np.float32), mx.float32),
    "U32": (np.dtype(np.uint32), mx.uint32),
    "U8": (np.dtype(np.uint8), mx.uint8),
}


class MappedTensor:
    """A matrix in a weight file, read by rows.

    Args:
        entry: where it stands.
        like: the array in whose place its rows come: of its shape, and in the dtype that they
            are to have.

    Attributes:
        nbytes: of the whole matrix.

    Raises:
        CheckpointError: the file is gone, was changed since its header was read, or holds a
            dtype that MLX has not.
    """

    def __init__(self, entry: TensorEntry, like: mx.array) -> None:
        if entry.shape != like.shape or entry.dtype not in _HOST_DTYPES:
            raise CheckpointError(
                f"{entry.path}: {entry.name} is {entry.dtype} {entry.shape}, which cannot stand "
                f"for {like.dtype} {like.shape}"
            )
        self.nbytes = entry.nbytes
        self._entry = entry
        self._wanted = like.dtype
        host_dtype, self._held = _HOST_DTYPES[entry.dtype]
        # A map begins at a page.
        ahead = entry.start % mmap.ALLOCATIONGRANULARITY
        self._map = _map(entry.path, entry.start - ahead, ahead + entry.nbytes)
        flat = np.frombuffer(self._map, host_dtype, entry.nbytes // host_dtype.itemsize, ahead)
        self._rows = flat.reshape(entry.shape)

    def rows(self, indices: np.ndarray) -> mx.array:
        """[*indices.shape, columns].

        Raises:
            CheckpointError: the file was cut short while it was in use.
        """
        # Touching a page behind the file's end would end the process. A file that is replaced,
        # as downloads do it, stays what it was for whoever has it mapped.
        if self._map.size() < self._entry.start + self.nbytes:
            raise CheckpointError(
                f"{self._entry.path} was cut short while the model was in use",
                "load the model again once the file is whole",
            )
        return mx.array(self._rows[indices]).view(self._held).astype(self._wanted)


class MappedTable:
    """Stands where an embedding does, but holds no parameters.

    Args:
        resident: the module whose place it takes, its weights not evaluated.
        entries: where those weights stand, by the module's names for them.
    """

    def __init__(self, resident: nn.Module, entries: Mapping[str, TensorEntry]) -> None:
        self._tensors = {
            name: MappedTensor(entries[name], array) for name, array in resident.items()
        }
        self._count = resident["weight"].shape[0]
        self._packing: dict[str, Any] = {}
        if isinstance(resident, nn.QuantizedEmbedding):
            keys = ("group_size", "bits", "mode")
            self._packing = {key: getattr(resident, key) for key in keys}

    @property
    def nbytes(self) -> int:
        """Bytes left in the file."""
        return sum(tensor.nbytes for tensor in self._tensors.values())

    def __call__(self, token_ids: mx.array) -> mx.array:
        """Rows of tokens: [B, L] -> [B, L, layers * width]. Waits for the ids.

        Raises:
            UsageError: an id has no row.
            CheckpointError: the file was cut short while it was in use.
        """
        ids = np.array(token_ids)
        if not 0 <= ids.min() <= ids.max() < self._count:
            raise UsageError(
                f"token ids go from {ids.min()} to {ids.max()}: the table of per-layer "
                f"embeddings has {self._count} rows"
            )
        rows = {name: tensor.rows(ids) for name, tensor in self._tensors.items()}
        weight = rows.pop("weight")
        return mx.dequantize(weight, **rows, **self._packing) if self._packing else weight


def _map(path: Path, start: int, length: int) -> mmap.mmap:
    """A part of a file in memory, for reading here and there."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=start)
        # Else the system would read the neighbours of every row, too.
        mapped.madvise(mmap.MADV_RANDOM)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be mapped into memory: {error}") from None
    return mapped

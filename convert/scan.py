"""One pass over a source before anything is written: values that are no numbers, and the lattice.

Weights from quantization-aware training stand on the Q4_0 lattice: of every 32 values along a row
each is a whole number from -8 to 7 times one step. Zeros alone say nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np

from convert.lattice import share_exact
from convert.progress import OnStep, Step
from convert.source import Source, SourceTensor, as_rows, reading_threads
from gemma4_mlx.errors import WeightsError

ON_LATTICE = 0.99
"""Share of exact blocks from which a tensor counts as standing on the lattice."""

_NEARLY_ALL = 0.9
_CHUNK = 1 << 16  # values that are looked at at once, in the processor's nearest cache
_SAMPLED_ROWS = 64
_LISTED = 20

_BITS: Mapping[str, tuple[type[np.unsignedinteger], int, int]] = {
    "BF16": (np.uint16, 0x7FFF, 0x7F80),
    "F16": (np.uint16, 0x7FFF, 0x7C00),
    "F32": (np.uint32, 0x7FFF_FFFF, 0x7F80_0000),
}
"""By dtype: an unsigned type of its width, all bits but the sign, the bits of infinity. With the
sign taken away, bits from those of infinity on are infinity or no number."""


@dataclass(frozen=True)
class Lattice:
    """Which tensors stand on the Q4_0 lattice.

    Attributes:
        shares: of 32-blocks that stand on it, by path, for tensors that are not all zeros; taken
            from all blocks where those of a sample stand on it.
        sizes: numbers of values, by path.
    """

    shares: Mapping[str, float]
    sizes: Mapping[str, int]

    @property
    def off(self) -> list[str]:
        """Paths of the tensors that do not stand on it."""
        return [path for path, share in self.shares.items() if share < ON_LATTICE]

    @property
    def share_on(self) -> float:
        """Share of all values that are in tensors that stand on it."""
        off = sum(self.sizes[path] for path in self.off)
        return 1 - off / sum(self.sizes.values()) if self.sizes else 0.0

    @property
    def is_everywhere(self) -> bool:
        """Whether nearly all values stand on it."""
        return self.share_on > _NEARLY_ALL


def check_finite(source: Source, on_step: OnStep) -> None:
    """Read all values.

    Args:
        source: to read.
        on_step: told about every tensor.

    Raises:
        WeightsError: some are NaN or infinite; each tensor is named with its first row of them.
    """
    problems = []
    done, total = 0, sum(tensor.nbytes for tensor in source.tensors.values())
    with reading_threads() as readers:
        found = readers.map(partial(_not_finite, source), source.tensors.values())
        for tensor, problem in zip(source.tensors.values(), found, strict=True):
            problems += [problem] if problem else []
            done += tensor.nbytes
            on_step(Step("scan", done, total, tensor.name))
    if problems:
        listed = problems[:_LISTED]
        if len(problems) > _LISTED:
            listed.append(f"and {len(problems) - _LISTED} more")
        raise WeightsError(
            f"{len(problems)} tensors hold values that are no numbers:\n  " + "\n  ".join(listed),
            "the source is damaged, or the training that made it failed",
        )


def find_lattice(source: Source, paths: Iterable[str]) -> Lattice:
    """Look for the Q4_0 lattice, in some rows first, then in all of a tensor where those are on it.

    Args:
        source: to read.
        paths: of the modules whose weights can be packed.
    """
    shares, sizes = {}, {}
    for path in paths:
        tensor = source.tensors[f"{path}.weight"]
        share = _sampled_share(source, tensor)
        if share is not None and share >= ON_LATTICE:
            share = _whole_share(source, tensor)
        if share is not None:
            shares[path], sizes[path] = share, prod(tensor.shape)
    return Lattice(shares, sizes)


def _not_finite(source: Source, tensor: SourceTensor) -> str:
    """Which values are no numbers, in words; empty if there are none."""
    bits, magnitude, infinity = _BITS[tensor.entry.dtype]
    row, width = 0, tensor.shape[-1] if tensor.shape else 1
    for block in source.blocks(tensor):
        flat = np.ascontiguousarray(block).reshape(-1).view(bits)
        if _largest(flat, magnitude) >= infinity:
            bad = (flat & bits(magnitude)) >= infinity
            first = row + int(np.argmax(bad)) // width
            where = f"first in row {first}" if len(tensor.shape) > 1 else f"at {first}"
            entry = tensor.entry
            return f"{entry.path}: {entry.name} has NaN or infinity, {where} of {tensor.name}"
        row += flat.size // width
    return ""


def _largest(flat: np.ndarray, magnitude: int) -> int:
    """The largest of the values' bits, without their sign."""
    scratch = np.empty(min(_CHUNK, flat.size), flat.dtype)
    largest = 0
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        masked = np.bitwise_and(chunk, flat.dtype.type(magnitude), out=scratch[: chunk.size])
        largest = max(largest, int(masked.max()))
    return largest


def _sampled_share(source: Source, tensor: SourceTensor) -> float | None:
    """Share of exact blocks in some rows; None if there is nothing but zeros."""
    values = source.values(tensor)
    values = values.reshape(-1, *values.shape[-2:]) if values.ndim > 2 else values[None]
    every = max(1, values.shape[0] * values.shape[1] // _SAMPLED_ROWS)
    flat_rows = range(0, values.shape[0] * values.shape[1], every)
    rows = np.stack([values[divmod(row, values.shape[1])] for row in flat_rows])
    source.forget(tensor)
    rows = rows[_largest_by_row(rows, tensor) > 0]
    return _share(rows, tensor) if len(rows) else None


def _whole_share(source: Source, tensor: SourceTensor) -> float:
    exact = 0.0
    for block in source.blocks(tensor):
        exact += _share(block.reshape(-1, tensor.shape[-1]), tensor) * block.size
    return exact / prod(tensor.shape)


def _share(rows: np.ndarray, tensor: SourceTensor) -> float:
    """Share of exact blocks; rows with values that are no numbers, refused later, do not count."""
    finite = _largest_by_row(rows, tensor) < _BITS[tensor.entry.dtype][2]
    return share_exact(as_rows(rows[finite], tensor)) if finite.any() else 0.0


def _largest_by_row(rows: np.ndarray, tensor: SourceTensor) -> np.ndarray:
    bits, magnitude, _ = _BITS[tensor.entry.dtype]
    return (np.ascontiguousarray(rows).view(bits) & bits(magnitude)).max(axis=-1)

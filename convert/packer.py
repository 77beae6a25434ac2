"""From a source's tensors to the bytes of what is written, block by block.

A few blocks are on their way at any time: MLX works on them while the next is read and the last
is written. All of it is built and run by one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np

from convert.plan import Item
from convert.source import BLOCK_BYTES, Source, as_rows

if TYPE_CHECKING:
    from convert.packed import Packed

PackRows = Callable[[Item, mx.array], "Packed"]
"""Packs rows [R, in], in bf16, of an item's tensor."""

_AT_ONCE = 4  # whole blocks; of small ones there are more
_STREAMS = 2  # of MLX's CPU backend, each of which has a thread
_SAMPLED_VALUES = 1 << 18
"""How many values of a tensor its error is taken from, evenly spread; smaller ones count whole."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that follow those of the chunk before.

    Attributes:
        item: what they belong to.
        data: for each of its parts.
        squares: of a packed tensor, sums over some of its values: squared error, squared error
            of plain rounding, squared value; float32 [3].
    """

    item: Item
    data: Sequence[memoryview]
    squares: np.ndarray | None


class Packer:
    """Turns tensors into the bytes of their parts.

    Args:
        source: holds the tensors.
        pack: how rows are packed.
    """

    def __init__(self, source: Source, pack: PackRows) -> None:
        self._source = source
        self._pack = pack
        on_cpu = mx.default_device() == mx.cpu
        self._streams = deque(mx.new_stream(mx.cpu) for _ in range(_STREAMS if on_cpu else 0))
        self._side_stream = mx.new_stream(mx.cpu) if on_cpu else None

    def chunks(self, items: Iterable[Item]) -> Iterator[Chunk]:
        """All bytes of some items, in order."""
        begun: deque[_Begun] = deque()
        for item in items:
            for block in self._source.blocks(item.tensor):
                begun.append(self._begin(item, block))
                while sum(each.nbytes for each in begun) > _AT_ONCE * BLOCK_BYTES:
                    yield self._finish(begun.popleft())
        while begun:
            yield self._finish(begun.popleft())

    def _begin(self, item: Item, block: np.ndarray) -> _Begun:
        if item.packed is None:
            # A copy, because the view of the file does not last.
            return _Begun(item, (block.tobytes(),), None, block.nbytes)
        self._streams.rotate()
        with mx.stream(self._streams[0]) if self._streams else nullcontext():
            rows = as_rows(block, item.tensor)
            packed = self._pack(item, rows)
            parts = (packed.weight, packed.scales, packed.biases)[: len(item.parts)]
            mx.async_eval(*parts)
        return _Begun(item, parts, (rows, packed), block.nbytes)

    def _finish(self, begun: _Begun) -> Chunk:
        mx.eval([part for part in begun.parts if isinstance(part, mx.array)])
        squares = None
        if begun.packed is not None:
            # Only now, and apart: MLX lets few operations wait, and these are many. Asked for
            # together with the packing they would keep the next block from being begun.
            with mx.stream(self._side_stream) if self._side_stream else nullcontext():
                squares = np.array(_squares(*begun.packed, begun.item))
        data = [_bytes(part) for part in begun.parts if part is not None]
        return Chunk(begun.item, data, squares)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A chunk that MLX works on.

    Attributes:
        item: what it belongs to.
        parts: its bytes or arrays.
        packed: the rows it is made from, and what they become; None if it is not packed.
        nbytes: of the source that it is made from.
    """

    item: Item
    parts: Sequence[mx.array | bytes | None]
    packed: tuple[mx.array, Packed] | None
    nbytes: int


def _bytes(part: mx.array | bytes) -> memoryview:
    """The bytes of evaluated values, not copied."""
    if isinstance(part, mx.array):
        bits = part.view(mx.uint16) if part.dtype == mx.bfloat16 else part
        mx.eval(bits)
        return memoryview(bits).cast("B")  # type: ignore[arg-type]
    return memoryview(part)


def _sampled_every(item: Item) -> int:
    """Every which row is looked at."""
    return max(1, prod(item.tensor.shape) // _SAMPLED_VALUES)


def _squares(rows: mx.array, packed: Packed, item: Item) -> mx.array:
    """Sums over every so many rows: squared error, that of plain rounding, squared value."""
    chosen, every = item.packed, _sampled_every(item)
    assert chosen is not None
    arguments: dict[str, Any] = {
        "group_size": chosen.group_size,
        "bits": chosen.bits,
        "mode": chosen.mode,
    }
    sample = rows[::every]
    plain = mx.quantize(sample, **arguments)
    reference = sample.astype(mx.float32)

    def error(weight: mx.array, scales: mx.array, biases: mx.array | None = None) -> mx.array:
        if biases is not None:  # in float32, as kernels multiply; from bf16 would come bf16
            scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
        values = mx.dequantize(weight, scales, biases, **arguments, dtype=mx.float32)
        return mx.square(values - reference).sum()

    biases = None if packed.biases is None else packed.biases[::every]
    found = error(packed.weight[::every], packed.scales[::every], biases)
    return mx.stack([found, error(*plain), mx.square(reference).sum()])

"""What a conversion will write: every tensor with its dtype, shape and place, to the byte.

The order within the files serves those who map them. Their format allows no gaps between tensors,
so only the first one of a file can be put on a page's boundary, by a header that is filled up with
spaces. The tables therefore come first, that of the per-layer embeddings at the very start, then
the experts, layer by layer: the published sizes of all these are whole pages, so that every one
of them begins on a page, too. The small tensors, which would shift the others, follow.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from convert.source import SourceTensor
from gemma4_mlx.config import PER_LAYER_TABLE, PackedFormat
from gemma4_mlx.config.shapes import Shape
from gemma4_mlx.errors import UsageError
from gemma4_mlx.weight_file import INDEX_NAME, ITEM_BYTES

SHARD_BYTES = 5_000_000_000
"""The most that a file of weights holds, unless a single tensor is larger."""

PAGE_BYTES = 16 * 1024
"""Of memory on Apple Silicon; a multiple of other machines' 4 KiB."""

SCALE_DTYPE = "BF16"
"""Of the scales and biases of affine formats, whatever the source has."""

_EMBEDDINGS = ("language_model.model.embed_tokens.", PER_LAYER_TABLE + ".")
_EXPERTS = re.compile(r"language_model\.model\.layers\.(\d+)\.experts\.")


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of a file to be written.

    Attributes:
        name, dtype, shape: as the file's header has them.
        file: its name.
        start: offset in the file of the first byte.
    """

    name: str
    dtype: str
    shape: Shape
    file: str
    start: int

    @property
    def nbytes(self) -> int:
        """Length in bytes."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Item:
    """A tensor of the source and what becomes of it.

    Attributes:
        tensor: of the source.
        packed: its format; None for one that is copied.
        parts: the tensors that are written: the copy, or weight, scales and perhaps biases.
    """

    tensor: SourceTensor
    packed: PackedFormat | None
    parts: tuple[Part, ...]

    @property
    def nbytes(self) -> int:
        """Of all parts."""
        return sum(part.nbytes for part in self.parts)


@dataclass(frozen=True)
class Plan:
    """Everything that will be written of the weights.

    Attributes:
        items: in the order in which they are written.
        headers: the first bytes of each file, by its name.
        index: what model.safetensors.index.json will hold; None where there is one file only.
    """

    items: tuple[Item, ...]
    headers: Mapping[str, bytes]
    index: str | None

    @property
    def file_bytes(self) -> Mapping[str, int]:
        """Size of each file, by its name."""
        sizes = {name: len(header) for name, header in self.headers.items()}
        for item in self.items:
            for part in item.parts:
                sizes[part.file] += part.nbytes
        return sizes | ({INDEX_NAME: len(self.index.encode())} if self.index is not None else {})

    @property
    def total_bytes(self) -> int:
        """Of all files of weights, with their headers and the index."""
        return sum(self.file_bytes.values())


def plan_files(
    tensors: Iterable[SourceTensor],
    formats: Mapping[str, PackedFormat],
    shard_bytes: int = SHARD_BYTES,
) -> Plan:
    """Lay out the files.

    Args:
        tensors: all of them.
        formats: of the modules that are packed, by path.
        shard_bytes: the most that a file holds.

    Raises:
        UsageError: a format's groups do not divide the rows of a tensor.
    """
    ordered = sorted(tensors, key=_place)
    _check_widths(ordered, formats)
    items = [_sketch(tensor, formats.get(tensor.path)) for tensor in ordered]
    shards = list(_shards(items, shard_bytes))
    names = _names(len(shards))
    headers, placed = {}, []
    for name, shard in zip(names, shards, strict=True):
        headers[name] = _header(part for item in shard for part in item.parts)
        placed += _placed(shard, name, len(headers[name]))
    return Plan(tuple(placed), headers, _index(placed) if len(names) > 1 else None)


def _place(tensor: SourceTensor) -> tuple[int, int]:
    """Where a tensor stands among the others; those of one place keep their order."""
    experts = _EXPERTS.match(tensor.name)
    if tensor.name.startswith(_EMBEDDINGS):
        return (0, -_EMBEDDINGS.index(tensor.name.rpartition(".")[0] + "."))
    if experts:
        return (1, int(experts[1]))
    return (2, 0) if len(tensor.shape) > 1 else (3, 0)


def _check_widths(tensors: Iterable[SourceTensor], formats: Mapping[str, PackedFormat]) -> None:
    for tensor in tensors:
        packed = formats.get(tensor.path)
        if packed is not None and tensor.shape[-1] % packed.group_size:
            raise UsageError(
                f"{tensor.path} has rows of {tensor.shape[-1]} values, no multiple of the group "
                f"size {packed.group_size}",
                "choose a smaller group size",
            )


def _sketch(tensor: SourceTensor, packed: PackedFormat | None) -> Item:
    """An item whose parts have no place yet."""
    if packed is None:
        part = Part(tensor.name, tensor.entry.dtype, tensor.shape, "", 0)
        return Item(tensor, None, (part,))
    *rows, width = tensor.shape
    groups = (*rows, width // packed.group_size)
    scale_dtype = SCALE_DTYPE if packed.has_biases else "U8"
    shapes = {
        "weight": ((*rows, width * packed.bits // 32), "U32"),
        "scales": (groups, scale_dtype),
    }
    if packed.has_biases:
        shapes["biases"] = (groups, SCALE_DTYPE)
    parts = (
        Part(f"{tensor.path}.{kind}", dtype, shape, "", 0)
        for kind, (shape, dtype) in shapes.items()
    )
    return Item(tensor, packed, tuple(parts))


def _shards(items: Iterable[Item], shard_bytes: int) -> Iterator[list[Item]]:
    """Fill files one after the other; the experts of a layer stay together."""
    shard: list[Item] = []
    filled = 0
    for _, grouped in groupby(items, key=_group):
        group = list(grouped)
        size = sum(item.nbytes for item in group)
        if shard and filled + size > shard_bytes:
            yield shard
            shard, filled = [], 0
        shard += group
        filled += size
    yield shard


def _group(item: Item) -> str:
    experts = _EXPERTS.match(item.tensor.name)
    return experts[0] if experts else item.tensor.name


def _names(count: int) -> list[str]:
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]


def _header(parts: Iterable[Part]) -> bytes:
    """The length of a file's header and the header, up to a page's boundary."""
    header: dict[str, object] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for part in parts:
        offsets = [end, end + part.nbytes]
        header[part.name] = {"dtype": part.dtype, "shape": part.shape, "data_offsets": offsets}
        end = offsets[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % PAGE_BYTES)
    return len(text).to_bytes(8, "little") + text


def _placed(items: Iterable[Item], file: str, start: int) -> Iterator[Item]:
    for item in items:
        parts = []
        for part in item.parts:
            parts.append(Part(part.name, part.dtype, part.shape, file, start))
            start += part.nbytes
        yield Item(item.tensor, item.packed, tuple(parts))


def _index(items: Iterable[Item]) -> str:
    parts = [part for item in items for part in item.parts]
    index = {
        "metadata": {"total_size": sum(part.nbytes for part in parts)},
        "weight_map": {part.name: part.file for part in sorted(parts, key=lambda part: part.name)},
    }
    return json.dumps(index, indent=2) + "\n"

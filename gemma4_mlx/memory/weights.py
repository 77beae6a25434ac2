"""Bytes of the weights, part by part: as a checkpoint's headers say, or as a recipe would pack.

A part is counted in two kinds, because loading treats them differently: packed weights and the
16-bit scales of packed layers stay what they are, other floating-point values are loaded in the
dtype of the backend. Keys and values that no layer reads are not loaded and not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gemma4_mlx.config import PER_LAYER_TABLE, ModelConfig, PackedFormat, parameter_shapes
from gemma4_mlx.config.shapes import Shape
from gemma4_mlx.recipes import packed_bytes
from gemma4_mlx.tensor_fit import misfits, renamed, require_none
from gemma4_mlx.weight_file import ITEM_BYTES, read_entries

BODY, EMBEDDING, TABLE, EXPERTS = "body", "embedding", "per_layer_table", "experts"
VISION, AUDIO = "vision", "audio"
PARTS = (BODY, EXPERTS, EMBEDDING, TABLE, VISION, AUDIO)
"""Parts of a checkpoint; a tower's projector belongs to the tower."""

_FLOATING = ("F16", "BF16", "F32")
_PACKED_KINDS = ("scales", "biases")
_SCALES = tuple(f".{kind}" for kind in _PACKED_KINDS)
_NARROW = 2  # bytes of a 16-bit scale


@dataclass(frozen=True, slots=True)
class Amount:
    """So many bytes.

    Attributes:
        whole_bytes: of what stays as it is.
        floats: how many values are loaded in the dtype of the backend.
    """

    whole_bytes: int = 0
    floats: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.whole_bytes + other.whole_bytes, self.floats + other.floats)

    def nbytes(self, item_bytes: int) -> int:
        """Bytes in memory, with floating-point values of that many bytes."""
        return self.whole_bytes + self.floats * item_bytes


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights of a model.

    Attributes:
        parts: by name, one of `PARTS`; those that the model does not have are missing.
        origin: what they were counted from, in words.
    """

    parts: Mapping[str, Amount] = field(default_factory=dict)
    origin: str = ""

    def nbytes(self, item_bytes: int, *parts: str) -> int:
        """Bytes in memory of these parts; of all, if none is named."""
        chosen = parts or tuple(self.parts)
        return sum(self.parts.get(part, Amount()).nbytes(item_bytes) for part in chosen)


def planned_weights(
    config: ModelConfig, formats: Mapping[str, PackedFormat], origin: str = ""
) -> Weights:
    """The weights of a model as they would be packed.

    Args:
        config: of the model.
        formats: module path -> format, as from `Recipe.formats`; other modules stay plain.
        origin: what the formats come from, in words.
    """
    tensors = (
        (part_of(name), amount)
        for name, shape in parameter_shapes(config).items()
        for amount in [_planned(name, shape, formats.get(name.removesuffix(".weight")))]
    )
    return Weights(_summed(tensors), origin)


def checkpoint_weights(folder: Path, config: ModelConfig) -> Weights:
    """The weights of a checkpoint, from the headers of its files; no tensor is read.

    Raises:
        ModelNotFoundError, CheckpointError: see `weight_file.read_entries`.
        WeightsError: the headers do not agree with config.json; all tensors are listed.
    """
    ours = renamed(read_entries(folder), config, place=lambda entry: f" in {entry.path}")
    expected = _expected_shapes(ours.found, config)
    require_none([*ours.problems, *misfits(ours.found, expected)], folder)
    tensors = (
        (part_of(name), _amount(name, expected[name], found.tensor.dtype))
        for name, found in ours.found.items()
    )
    return Weights(_summed(tensors), f"the files in {folder}")


def part_of(name: str) -> str:
    """Which part a parameter (by our name) belongs to."""
    if name.startswith(("vision_tower.", "embed_vision.")):
        return VISION
    if name.startswith(("audio_tower.", "embed_audio.")):
        return AUDIO
    if name.startswith(f"{PER_LAYER_TABLE}."):
        return TABLE
    if ".embed_tokens." in name:
        return EMBEDDING
    return EXPERTS if ".experts." in name else BODY


def amount_of(name: str, nbytes: int, float_bytes: int | None) -> Amount:
    """What a tensor takes.

    Args:
        name: by which we know it.
        nbytes: of it, as it is held.
        float_bytes: of one of its values; None for whole numbers.
    """
    is_scale = name.endswith(_SCALES) and not _is_embedding(name)
    if float_bytes is None or (is_scale and float_bytes == _NARROW):
        return Amount(nbytes)
    return Amount(floats=nbytes // float_bytes)


def packed_shapes(shape: Shape, packed: PackedFormat) -> dict[str, Shape]:
    """Shapes of the tensors that a packed weight consists of, by their last name."""
    *rows, width = shape
    groups = (*rows, width // packed.group_size)
    kinds = _PACKED_KINDS if packed.has_biases else _PACKED_KINDS[:1]
    return {"weight": (*rows, width * packed.bits // 32), **dict.fromkeys(kinds, groups)}


def _planned(name: str, shape: Shape, packed: PackedFormat | None) -> Amount:
    if packed is None:
        return Amount(floats=math.prod(shape))
    if not _is_embedding(name):
        return Amount(packed_bytes(shape, packed))
    # What would stay if scales took no room is whole numbers.
    whole = packed_bytes(shape, packed, 0)
    return Amount(whole, packed_bytes(shape, packed, 1) - whole)


def _amount(name: str, shape: Shape, dtype: str) -> Amount:
    """What a tensor of a file takes."""
    item_bytes = ITEM_BYTES[dtype]
    float_bytes = item_bytes if dtype in _FLOATING else None
    return amount_of(name, math.prod(shape) * item_bytes, float_bytes)


def _is_embedding(name: str) -> bool:
    """Whether rows of it are looked up, which come out in the dtype of the scales."""
    return part_of(name) in (EMBEDDING, TABLE)


def _summed(tensors: Iterator[tuple[str, Amount]]) -> dict[str, Amount]:
    """Sums by part, in the order of `PARTS`."""
    sums: dict[str, Amount] = {}
    for part, amount in tensors:
        sums[part] = sums.get(part, Amount()) + amount
    return {part: sums[part] for part in PARTS if part in sums}


def _expected_shapes(found: Container[str], config: ModelConfig) -> dict[str, Shape]:
    """Shapes by our names, with the pieces of those weights that the checkpoint holds packed."""
    format_of: Callable[[str], PackedFormat | None] = (
        config.quantization.format_of if config.quantization is not None else lambda path: None
    )
    expected: dict[str, Shape] = {}
    for name, shape in parameter_shapes(config).items():
        path = name.removesuffix(".weight")
        packed = format_of(path) if f"{path}.scales" in found else None
        if packed is None:
            expected[name] = shape
            continue
        for kind, piece in packed_shapes(shape, packed).items():
            expected[f"{path}.{kind}"] = piece
    return expected

"""Which tensors of a checkpoint are which of ours, and what does not fit: told in one place.

The loader asks about arrays, the planner and the converter about the headers of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.config.shapes import Shape
from gemma4_mlx.errors import WeightsError
from gemma4_mlx.tensor_names import Transform, is_unused, targets


class Shaped(Protocol):
    """An array, or what a header says of one."""

    @property
    def shape(self) -> Shape:
        """Its axes."""
        ...


Tensor = TypeVar("Tensor", bound=Shaped)


@dataclass(frozen=True, slots=True)
class Found(Generic[Tensor]):
    """A tensor of a checkpoint that holds one of ours, perhaps among others.

    Attributes:
        tensor: as the checkpoint has it.
        transform: to our layout, where it does not have our shape yet.
        origin: what the checkpoint calls it, and where it is if that is known.
    """

    tensor: Tensor
    transform: Transform
    origin: str

    def fits(self, shape: Shape) -> bool:
        """Whether it has that shape, or gets it by its transform."""
        ours = self.tensor.shape
        return ours == shape or _changed(ours, self.transform) == shape

    def said_of(self, name: str) -> str:
        """Where our tensor of that name comes from; empty if the name says it all."""
        return f", from {self.origin}" if self.origin != name else ""


@dataclass(frozen=True, slots=True)
class Renamed(Generic[Tensor]):
    """The tensors of a checkpoint by our names.

    Attributes:
        found: those that may be ours.
        dropped: the checkpoint's names of those that no layer uses.
        problems: those that are there twice, in words.
    """

    found: dict[str, Found[Tensor]]
    dropped: tuple[str, ...]
    problems: list[str]


def renamed(
    tensors: Mapping[str, Tensor],
    config: ModelConfig,
    place: Callable[[Tensor], str] = lambda tensor: "",
) -> Renamed[Tensor]:
    """Tensors by our names.

    Args:
        tensors: by the checkpoint's names.
        config: of the checkpoint.
        place: where a tensor is, in words that begin with a space; for errors.
    """
    found: dict[str, Found[Tensor]] = {}
    dropped, problems = [], []
    for source, tensor in tensors.items():
        ours = targets(source)
        if is_unused(ours[0][0], config):
            dropped.append(source)
            continue
        origin = source + place(tensor)
        for name, transform in ours:
            if name in found:
                problems.append(f"twice: {name}, once as {origin}")
            found[name] = Found(tensor, transform, origin)
    return Renamed(found, tuple(sorted(dropped)), problems)


def misfits(found: Mapping[str, Found[Any]], expected: Mapping[str, Shape]) -> list[str]:
    """What is missing, unknown or misshapen, in words; both by our names."""
    missing = [f"missing: {name} {expected[name]}" for name in expected.keys() - found.keys()]
    return missing + [
        f"unknown: {name} {each.tensor.shape}{each.said_of(name)}"
        if name not in expected
        else f"misshapen: {name} {each.tensor.shape}, expected {expected[name]}{each.said_of(name)}"
        for name, each in found.items()
        if name not in expected or not each.fits(expected[name])
    ]


def require_none(problems: list[str], folder: Path | None = None) -> None:
    """Raise `WeightsError` with all of them, unless there are none."""
    if problems:
        where = f"{folder}: " if folder is not None else ""
        listing = "\n  ".join(sorted(problems))
        raise WeightsError(
            f"{where}{len(problems)} tensors do not fit the model:\n  {listing}",
            "was this checkpoint made for its config.json?",
        )


def _changed(shape: Shape, transform: Transform) -> Shape | None:
    """The shape after a transform; None if it is for arrays of more or fewer axes."""
    import numpy as np  # not at the top: the tensors of most models need no change

    try:
        # A stand-in that takes no memory.
        return transform(np.broadcast_to(np.uint8(0), shape)).shape
    except (ValueError, IndexError):
        return None

"""What can be talked to: models on this disk and on the hub, as `gemma4 models list` tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gemma4_mlx.model_name import DEMO_MODEL
from tui import figures
from tui.text.printable import printable_line

_PARTS = {
    "weights": ("body", "experts", "embedding", "per_layer_table", "vision", "audio"),
    "context": ("kv_full", "kv_sliding"),
    "reading": ("reading", "media"),
    "rest": ("reuse", "runtime"),
}
"""What a plan's lines are called together."""

_VARIANTS = ("E2B", "E4B", "26B-A4B", "31B")


@dataclass(frozen=True, slots=True)
class Model:
    """A model in the list; see `gemma4 models list --json`.

    Attributes:
        name: what `-m` takes.
        title: in short; no other of the list has it.
        takes: of "text", "image" and "audio".
        size_bytes: on this disk, or to be fetched.
        whole_bytes: of all its files; 0 where only the hub knows.
        state: "here", "incomplete" or "available".
        fit: "fits", "tight", "too big" or, where that is not known, "".
        sum: of memory, that decides whether it fits; in words.
        note: in words; may be empty.
        is_recommended: whether it is the one to begin with.
    """

    name: str
    title: str
    takes: tuple[str, ...] = ()
    size_bytes: int = 0
    whole_bytes: int = 0
    state: str = "available"
    fit: str = ""
    sum: str = ""
    note: str = ""
    is_recommended: bool = False

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Model:
        """A row of the list."""
        return cls(
            name=row["name"],
            title=_title(row),
            takes=tuple(row["takes"]),
            size_bytes=row["size_bytes"],
            whole_bytes=row["whole_bytes"],
            state=row["state"],
            fit=row["fit"],
            sum=_sum(row["plan"]) if row["plan"] else "",
            note=printable_line(row["note"]),
            is_recommended=row["is_recommended"],
        )

    @property
    def is_here(self) -> bool:
        """Whether it can be used at once."""
        return self.state == "here"

    @property
    def missing_bytes(self) -> int:
        """What a download has to bring, as far as that is known."""
        return 0 if self.is_here else max(0, self.whole_bytes - self._come_bytes)

    @property
    def _come_bytes(self) -> int:
        return self.size_bytes if self.state == "incomplete" else 0

    def matches(self, text: str) -> bool:
        """Whether it is meant by a part of its name."""
        return all(
            word in f"{self.name} {self.title}".casefold() for word in text.casefold().split()
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """All models, and where they would run.

    Attributes:
        models: those on this disk first.
        machine: what it has, in words.
        disk_bytes: that are free where models are kept.
        as_of: the day of the sizes of models on the hub.
    """

    models: tuple[Model, ...]
    machine: str
    disk_bytes: int
    as_of: str

    @classmethod
    def from_json(cls, made: Mapping[str, Any]) -> Listing:
        """What the command prints."""
        models = [Model.from_json(row) for row in made["models"]]
        return cls(
            tuple(_apart(models)),
            _machine(made["machine"]),
            made["disk"]["free_bytes"],
            made["as_of"],
        )

    def find(self, name: str) -> Model | None:
        """The model of a name."""
        return next((model for model in self.models if model.name == name), None)

    def with_new(self, name: str) -> Listing:
        """The same, with a model of the hub of which nothing but the id is known."""
        if self.find(name):
            return self
        new = Model(name, name.rpartition("/")[2], note="its size is asked for when it is fetched")
        return replace(self, models=(*self.models, new))

    def first(self, current: str) -> Model | None:
        """The one to begin with: what is used now, a real one that is here, or the recommended."""
        used = self.find(current)
        real = [model for model in self.models if model.is_here and model.name != DEMO_MODEL]
        recommended = [model for model in self.models if model.is_recommended]
        if used in real:
            return used
        best = [model for model in real if model.is_recommended]
        return next(iter([*best, *real, *recommended]), used)


def _title(row: Mapping[str, Any]) -> str:
    if row["variant"] in _VARIANTS:
        return f"{row['variant']} {row['packing']}"
    return printable_line(row["name"].rpartition("/")[2])


def _apart(models: list[Model]) -> list[Model]:
    """Models of the same title get the title of their names."""
    count = Counter(model.title for model in models)
    return [
        replace(model, title=model.name.rpartition("/")[2]) if count[model.title] > 1 else model
        for model in models
    ]


def _machine(made: Mapping[str, Any]) -> str:
    """How much memory there is; where MLX has no GPU, what that means."""
    ram = f"{made['ram_bytes'] / 2**30:.0f} GB"
    usable = f"a model may take {figures.size(made['usable_bytes'])}"
    if made["runs_on"] == "gpu":
        return f"{made['name']}, {ram}: {usable}"
    return f"{ram}: {usable}; MLX has no GPU here, so real models are slow"


def _sum(plan: Mapping[str, Any]) -> str:
    """As in: weights 4.5 + context 0.4 + reading 1.9 + rest 0.7 = 7.5 of 11.9 GB."""
    lines = plan["lines"]
    groups = {name: sum(lines.get(key, 0) for key in keys) for name, keys in _PARTS.items()}
    parts = " + ".join(f"{name} {nbytes / 1e9:.1f}" for name, nbytes in groups.items())
    return f"{parts} = {plan['total_bytes'] / 1e9:.1f} of {plan['limit_bytes'] / 1e9:.1f} GB"

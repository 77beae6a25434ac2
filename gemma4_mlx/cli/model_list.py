"""Every model there is, on this disk and on the hub, and whether it fits this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from gemma4_mlx.cli.fit import fit_of, published_weights, runs_on
from gemma4_mlx.errors import Gemma4Error
from gemma4_mlx.model_name import DEMO_MODEL

if TYPE_CHECKING:
    from gemma4_mlx.hub import CachedModel, Pick
    from gemma4_mlx.memory import Machine

RECOMMENDED = {"gpu": ("26B-A4B", "E4B", "E2B"), "cpu": ("E2B",)}
"""Variants of which the first that fits is recommended, by what MLX calculates on. 31B reads all
its weights for each token, 26B-A4B an eighth of them; a CPU takes its time with any."""


@dataclass(frozen=True, slots=True)
class Row:
    """A model in the list.

    Attributes:
        name: what `-m` takes.
        variant: E2B, E4B, 26B-A4B, 31B, demo or other; "?" where config.json cannot be read.
        packing: bits of its weights, or "?".
        size_bytes: on this disk, or to be fetched.
        whole_bytes: of all its files; 0 where only the hub knows.
        state: "here", "incomplete" or "available".
        note: in words; may be empty.
        takes: of "text", "image" and "audio"; empty where config.json cannot be read.
        fit: "fits", "tight" or "too big" for this machine; empty where that is not known.
        plan: the sum behind that: `total_bytes`, `limit_bytes`, `context` and `lines`.
        is_recommended: whether it is the one to begin with on this machine; at most one is.
    """

    name: str
    variant: str
    packing: str
    size_bytes: int
    state: str
    whole_bytes: int = 0
    note: str = ""
    takes: tuple[str, ...] = ()
    fit: str = ""
    plan: dict[str, Any] | None = None
    is_recommended: bool = False


def listing() -> dict[str, Any]:
    """All models, this machine and the disk they lie on; plain JSON but for the rows."""
    from gemma4_mlx.cli.plan import machine_of
    from gemma4_mlx.hub import cache_folder, free_bytes, picks_as_of

    machine = machine_of()
    folder = cache_folder()
    return {
        "as_of": picks_as_of(),
        "machine": {
            "name": machine.name,
            "ram_bytes": machine.ram_bytes,
            "usable_bytes": machine.usable_bytes,
            "runs_on": runs_on(machine),
        },
        "disk": {"folder": str(folder), "free_bytes": free_bytes(folder)},
        "models": [asdict(row) for row in model_rows(machine)],
    }


def model_rows(machine: Machine) -> list[Row]:
    """Bundled, cached and published models, in that order."""
    from gemma4_mlx.hub import picks

    cached = _cached()
    here = {model.hub_id for model in cached}
    rows = [_bundled(machine), *(_cached_row(model, machine) for model in cached)]
    rows += [pick_row(pick, machine) for pick in picks() if pick.hub_id not in here]
    return list(_recommended(rows, RECOMMENDED[runs_on(machine)]))


def pick_row(pick: Pick, machine: Machine) -> Row:
    """A published checkpoint that is not on this disk."""
    from gemma4_mlx.cli.model_facts import takes
    from gemma4_mlx.memory import published_config

    config = published_config(pick.variant)
    size_bytes = round(pick.download_gb * 1e9)
    row = Row(
        pick.hub_id,
        pick.variant,
        pick.packing,
        size_bytes,
        "available",
        whole_bytes=size_bytes,
        note=pick.note,
        takes=takes(config),
    )
    return replace(row, **fit_of(config, published_weights(pick, config), machine))


def _cached() -> list[CachedModel]:
    """A model has one row, however many of its snapshots there are: the one `-m` would take."""
    from gemma4_mlx.hub import cached_models, cached_snapshot

    found: dict[str, CachedModel] = {}
    for model in cached_models():
        if model.hub_id not in found or model.folder == cached_snapshot(model.hub_id):
            found[model.hub_id] = model
    return list(found.values())


def _bundled(machine: Machine) -> Row:
    from gemma4_mlx.cli.model_facts import packing_of, takes
    from gemma4_mlx.cli.plan import planned_model
    from gemma4_mlx.loading import find_checkpoint

    folder = find_checkpoint(DEMO_MODEL)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    config, weights = planned_model(DEMO_MODEL)
    row = Row(DEMO_MODEL, "demo", packing_of(config), size, "here", whole_bytes=size)
    return replace(row, takes=takes(config), **fit_of(config, weights, machine))


def _cached_row(model: CachedModel, machine: Machine) -> Row:
    """A model in the cache; one that is worth fetching keeps what is known of it."""
    from gemma4_mlx.cli.model_facts import packing_of, takes, variant_of
    from gemma4_mlx.config import ModelConfig
    from gemma4_mlx.hub import picks
    from gemma4_mlx.memory import checkpoint_weights

    row = Row(model.hub_id, "?", "?", model.size_bytes, "here", whole_bytes=model.size_bytes)
    pick = next((pick for pick in picks() if pick.hub_id == model.hub_id), None)
    if model.missing:
        row = pick_row(pick, machine) if pick else replace(row, whole_bytes=0)
        note = f"incomplete: lacks {', '.join(model.missing)}"
        row = replace(row, size_bytes=model.size_bytes, state="incomplete", note=note)
    try:
        config = ModelConfig.from_folder(model.folder)
        packing = pick.packing if pick else packing_of(config)
        row = replace(row, variant=variant_of(config), packing=packing, takes=takes(config))
        if model.missing:
            return row
        return replace(row, **fit_of(config, checkpoint_weights(model.folder, config), machine))
    except Gemma4Error as error:  # one broken model must not hide the others
        return replace(row, note=error.message)


def _recommended(rows: list[Row], variants: Iterable[str]) -> Iterator[Row]:
    """The rows, one of them recommended if any of these variants fits."""
    from gemma4_mlx.hub import RECOMMENDED_PACKING

    fitting = [row for row in rows if row.fit == "fits" and row.packing == RECOMMENDED_PACKING]
    best = next((r for variant in variants for r in fitting if r.variant == variant), None)
    return (replace(row, is_recommended=True) if row is best else row for row in rows)

"""Which recipe a source gets: the one that was asked for, or the one that fits its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convert.scan import Lattice
from gemma4_mlx.config import ModelConfig, PackedFormat
from gemma4_mlx.errors import UsageError
from gemma4_mlx.recipes import DEFAULT_RECIPE, Recipe, find_recipe, with_off_lattice

LATTICE_RECIPE = "qat-q4_0"


@dataclass(frozen=True)
class Choice:
    """A recipe and what it means for one source.

    Attributes:
        recipe: its name and version.
        formats: of the packed modules, by path.
        exact_shares: of the modules that are repacked without loss, by path.
        notes: what the user should know.
    """

    recipe: str
    formats: Mapping[str, PackedFormat]
    exact_shares: Mapping[str, float]
    notes: tuple[str, ...]


def lattice_paths(config: ModelConfig) -> list[str]:
    """Paths of the modules whose weights may stand on the Q4_0 lattice."""
    return list(find_recipe(LATTICE_RECIPE).formats(config))


def choose(asked: Recipe | None, lattice: Lattice, config: ModelConfig) -> Choice:
    """Choose formats.

    Args:
        asked: None takes the default, or for weights on the Q4_0 lattice the recipe for them.
        lattice: which tensors stand on it.
        config: of the source.

    Raises:
        UsageError: the recipe for weights on the lattice was asked for, and there are none.
    """
    if asked is None:
        asked = find_recipe(LATTICE_RECIPE if lattice.is_everywhere else DEFAULT_RECIPE)
    formats = asked.formats(config)
    if asked.name != LATTICE_RECIPE:
        return Choice(asked.name, formats, {}, _warnings(asked, lattice))
    if not lattice.share_on:
        raise UsageError(
            f"no tensor of the source stands on the Q4_0 lattice, as {LATTICE_RECIPE} needs it",
            f"leave --recipe away: {DEFAULT_RECIPE} is for such weights",
        )
    off = set(lattice.off)
    exact = {path: lattice.shares.get(path, 1.0) for path in formats if path not in off}
    formats = with_off_lattice(formats, off, find_recipe(DEFAULT_RECIPE).formats(config))
    notes = [f"{len(exact)} tensors stand on the Q4_0 lattice and are repacked exactly"]
    notes += [f"{path} does not, it is packed as by {DEFAULT_RECIPE}" for path in sorted(off)]
    return Choice(asked.name, formats, exact, tuple(notes))


def _warnings(recipe: Recipe, lattice: Lattice) -> tuple[str, ...]:
    """What a recipe would throw away."""
    if not lattice.is_everywhere or not recipe.rules:
        return ()
    return (
        f"warning: the weights stand on the Q4_0 lattice; {recipe.name} throws away what "
        f"quantization-aware training gained, {LATTICE_RECIPE} keeps it",
    )

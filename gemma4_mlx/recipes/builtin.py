"""The recipes that have a name.

Evidence for what the mixed recipes keep at 8 bits: E4B at 4 bits throughout solves 23 % of
GSM8K, with its sensitive parts kept 55 %; of 26B-A4B's added perplexity four fifths go when its
dense MLP and its router are kept. The table of per-layer embeddings is only looked up, and half of
all weights of the small variants: it takes 4 bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gemma4_mlx.config import PackedFormat
from gemma4_mlx.errors import UsageError
from gemma4_mlx.recipes.recipe import MEDIA_PROJECTIONS, TEXT, Recipe, Rule
from gemma4_mlx.recipes.toml_file import checked_format, read_recipe

DEFAULT_RECIPE = "gemma4-mixed-4.v1"

_ALL_TEXT = f"{TEXT}.*"
_ROUTER = f"{TEXT}.layers.*.router.proj"
_NARROW = PackedFormat(32, 8)
"""For rows that no wider group divides."""


def _sensitive(packed: PackedFormat) -> tuple[Rule, ...]:
    """What coarse weights hurt most: little of the bytes, much of the error."""
    return (
        Rule(f"{TEXT}.embed_tokens", packed),  # the head, too: both are one matrix
        Rule(f"{TEXT}.per_layer_model_projection", packed),
        Rule(f"{TEXT}.layers.*.per_layer_input_gate", packed),
        Rule(f"{TEXT}.layers.*.per_layer_projection", packed),
        Rule(_ROUTER, packed),
        Rule(f"{TEXT}.layers.*.mlp.*_proj", packed, "experts"),
        Rule(f"{TEXT}.layers.*.self_attn.*_proj", packed, "ends"),
        # The whole block would take E2B and E4B above 5 bits; this half of it writes the residual.
        Rule(f"{TEXT}.layers.*.mlp.down_proj", packed, "ends"),
    )


def _mixed(name: str, packed: PackedFormat, description: str) -> Recipe:
    rules = (*_sensitive(PackedFormat(64, 8)), Rule(_ALL_TEXT, packed), Rule(_ALL_TEXT, _NARROW))
    return Recipe(name, description, rules)


def _plain(bits: int) -> Recipe:
    """Also what mlx-lm's and mlx-vlm's own conversion makes."""
    rules = (
        Rule(_ROUTER, PackedFormat(64, 8)),
        Rule(_ALL_TEXT, PackedFormat(64, bits)),
        Rule(MEDIA_PROJECTIONS, PackedFormat(64, bits)),
    )
    return Recipe(
        f"plain-{bits}",
        f"The layout of the public MLX repositories: {bits} bits in groups of 64 throughout.",
        rules,
    )


def uniform_recipe(bits: int, group_size: int) -> Recipe:
    """All text weights in one affine format; a router keeps 8 bits.

    Raises:
        UsageError: no kernel knows that format.
    """
    packed = checked_format({"bits": bits, "group_size": group_size}, "")
    narrow = PackedFormat(32, packed.bits)
    rules = (
        Rule(_ROUTER, PackedFormat(packed.group_size, 8)),
        Rule(_ALL_TEXT, packed),
        Rule(_ALL_TEXT, narrow),
    )
    return Recipe(
        f"affine-{bits}-g{group_size}",
        f"All text weights at {bits} bits in groups of {group_size}.",
        rules,
    )


_BUILTIN = (
    _mixed(
        DEFAULT_RECIPE,
        PackedFormat(64, 4),
        "4 bits in groups of 64; what is sensitive at 8; media towers and projections as they are.",
    ),
    _plain(4),
    _plain(8),
    Recipe(
        "qat-q4_0",
        "For weights trained on the Q4_0 lattice: repacked exactly, 4 bits in groups of 32.",
        (Rule(_ALL_TEXT, PackedFormat(32, 4)),),
    ),
    _mixed("mxfp4", PackedFormat(32, 4, "mxfp4"), "MXFP4; what is sensitive at affine 8 bits."),
    _mixed("nvfp4", PackedFormat(16, 4, "nvfp4"), "NVFP4; what is sensitive at affine 8 bits."),
    _mixed("mxfp8", PackedFormat(32, 8, "mxfp8"), "MXFP8; what is sensitive at affine 8 bits."),
    Recipe("bf16", "Nothing is packed.", ()),
)
RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _BUILTIN}
"""By name."""


def find_recipe(name: str | Path) -> Recipe:
    """A recipe by its name, or one's own from a TOML file.

    Args:
        name: without a version the newest is meant.

    Raises:
        UsageError: there is none of that name, or the file is wrong.
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        return read_recipe(name)
    if name in RECIPES:
        return RECIPES[name]
    matches = [re.fullmatch(rf"{re.escape(name)}\.v(\d+)", known) for known in RECIPES]
    versions = {int(match[1]): match[0] for match in matches if match}
    if versions:
        return RECIPES[versions[max(versions)]]
    raise UsageError(
        f"there is no recipe {name!r}: known are {', '.join(RECIPES)}",
        "or give the path of a .toml file with a recipe of your own",
    )

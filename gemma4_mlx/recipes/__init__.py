"""Recipes: which weights of a checkpoint are packed, and how. One table, path -> format.

recipe      rules, what they may touch, and what follows from them for one model
builtin     the recipes that have a name
toml_file   one's own recipe
formats     what follows from the formats: sizes, bits per weight, config.json's block
"""

from gemma4_mlx.recipes.builtin import DEFAULT_RECIPE, RECIPES, find_recipe, uniform_recipe
from gemma4_mlx.recipes.formats import (
    Formats,
    bits_per_weight,
    packed_bytes,
    quantization_block,
    with_off_lattice,
)
from gemma4_mlx.recipes.recipe import Recipe, Rule, end_blocks, packable_shapes
from gemma4_mlx.recipes.toml_file import read_recipe

__all__ = [
    "DEFAULT_RECIPE",
    "RECIPES",
    "Formats",
    "Recipe",
    "Rule",
    "bits_per_weight",
    "end_blocks",
    "find_recipe",
    "packable_shapes",
    "packed_bytes",
    "quantization_block",
    "read_recipe",
    "uniform_recipe",
    "with_off_lattice",
]

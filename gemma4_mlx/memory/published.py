"""The published models, known without a network: their configs come along, as the hub has them.

By them a plan answers before a download. Hub ids are recognised by what they say of themselves:
the variant, and the bits that public repositories put into the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.json_file import parse_json_object

PUBLISHED = ("E2B", "E4B", "26B-A4B", "31B")
"""Names of the variants, the smallest first."""

_VARIANT = re.compile(r"(?:^|gemma-4-)(e2b|e4b|26b-a4b|31b)(?:-it)?(?:-|$)", re.IGNORECASE)
_RECIPES = {"4bit": "plain-4", "8bit": "plain-8", "bf16": "bf16", "": "bf16"}
"""What public repositories append to a model's name -> how they pack it."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published model.

    Attributes:
        variant: one of `PUBLISHED`.
        recipe: name of the recipe that packs weights as its repository does; None for a variant
            that is meant as such.
    """

    variant: str
    recipe: str | None = None


def find_published(name: str) -> Published | None:
    """The published model that a variant's name ("E2B") or a hub id means; None for another."""
    owner, _, model = name.rpartition("/")
    match = _VARIANT.search(model)
    if match is None:
        return None
    variant = match[1].upper()
    if not owner:
        return Published(variant) if model.upper() == variant else None
    recipe = _RECIPES.get(model[match.end() :].lower())
    return Published(variant, recipe) if recipe is not None else None


@cache
def published_config(variant: str) -> ModelConfig:
    """The config.json of a variant."""
    path = files("gemma4_mlx.memory") / "published" / f"{variant}.json"
    return ModelConfig.from_dict(parse_json_object(path.read_bytes(), variant))

"""Whether a model fits this machine, and the sum behind it, as plain JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gemma4_mlx.config import ModelConfig
    from gemma4_mlx.hub import Pick
    from gemma4_mlx.memory import Machine, Weights

_RECIPES = {"4-bit": "plain-4", "8-bit": "plain-8", "bf16": "bf16"}
"""How a published checkpoint is packed -> the recipe of that layout."""


def fit_of(config: ModelConfig, weights: Weights, machine: Machine) -> dict[str, Any]:
    """Whether an ordinary conversation with a model fits.

    Returns:
        `fit`, the verdict, and `plan`, the sum that decides: `total_bytes`, `limit_bytes`,
        `context` and `lines`.
    """
    from gemma4_mlx.memory import plan_model

    plan = plan_model(config, weights, machine)
    decides = {
        "total_bytes": plan.total_bytes,
        "limit_bytes": plan.limit_bytes,
        "context": plan.context,
        "lines": {line.key: line.nbytes for line in plan.lines},
    }
    return {"fit": plan.verdict, "plan": decides}


def fit_hint(config: ModelConfig, weights: Weights, machine: Machine) -> str:
    """What would fit instead; empty where the model does."""
    from gemma4_mlx.memory import advice, plan_model

    return advice(plan_model(config, weights, machine))


def runs_on(machine: Machine) -> str:
    """What MLX calculates on there: "gpu" or "cpu"."""
    return "gpu" if machine.item_bytes == 2 else "cpu"


def published_weights(pick: Pick, config: ModelConfig) -> Weights:
    """The weights of a published checkpoint: of its recipe, and as large as its files are."""
    from gemma4_mlx.memory import planned_weights
    from gemma4_mlx.memory.weights import BODY, Amount
    from gemma4_mlx.recipes import find_recipe

    bits, _, trained = pick.packing.partition(" ")
    recipe = find_recipe(_RECIPES[bits])
    origin = f"the size of {pick.hub_id} on the hub"
    weights = planned_weights(config, recipe.formats(config), origin)
    if trained and recipe.name != "bf16":
        # What these repositories keep at 8 bits are layers.
        more = round(pick.download_gb * 1e9) - weights.nbytes(2)
        body = weights.parts[BODY] + Amount(max(0, more))
        return replace(weights, parts={**weights.parts, BODY: body})
    return weights

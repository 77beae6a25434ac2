"""What would fit instead, where a model does not."""

from __future__ import annotations

from dataclasses import replace

from gemma4_mlx.memory.machine import Machine
from gemma4_mlx.memory.plan import Demand, Plan
from gemma4_mlx.memory.planner import largest_context, plan_model
from gemma4_mlx.memory.published import PUBLISHED, published_config
from gemma4_mlx.memory.weights import planned_weights
from gemma4_mlx.recipes import DEFAULT_RECIPE, find_recipe


def advice(plan: Plan) -> str:
    """What to do about a plan: a shorter conversation, or a model that fits; "" if it fits."""
    if plan.verdict != "too big":
        return ""
    longest = largest_context(plan)
    if longest:
        return f"a conversation of up to {longest} tokens fits"
    plain = replace(plan, demand=replace(plan.demand, image_tokens=0, hears=False))
    longest = largest_context(plain)
    if longest:
        return f"without pictures and clips a conversation of up to {longest} tokens fits"
    smaller = largest_variant(plan.machine)
    if smaller is None:
        return "no published variant fits this machine"
    variant, other = smaller
    return (
        f"use {variant}: at {DEFAULT_RECIPE} it takes {other.total_bytes / 1e9:.2f} GB of the "
        f"{plan.limit_bytes / 1e9:.2f} GB that can be used"
    )


def largest_variant(machine: Machine) -> tuple[str, Plan] | None:
    """The largest published variant that fits, and its plan."""
    for variant in reversed(PUBLISHED):
        plan = variant_plan(variant, machine)
        if plan.verdict != "too big":
            return variant, plan
    return None


def variant_plan(
    variant: str, machine: Machine, demand: Demand | None = None, recipe: str = DEFAULT_RECIPE
) -> Plan:
    """The plan of a published variant as a recipe would pack it.

    Raises:
        UsageError: see `plan_model`, `find_recipe`.
    """
    config = published_config(variant)
    weights = planned_weights(config, find_recipe(recipe).formats(config), f"the recipe {recipe}")
    return plan_model(config, weights, machine, demand)

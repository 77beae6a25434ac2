"""Who gets in: what does not fit is refused before it is read, with the sum and with what fits."""

from __future__ import annotations

from dataclasses import replace

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import MemoryLimitError
from gemma4_mlx.memory.advice import advice
from gemma4_mlx.memory.machine import Machine
from gemma4_mlx.memory.plan import Demand, Plan
from gemma4_mlx.memory.planner import plan_model
from gemma4_mlx.memory.weights import Weights

LEAST_CONTEXT = 512
"""Positions of the shortest conversation that a model is loaded for."""


def plan_loading(
    config: ModelConfig, weights: Weights, machine: Machine, demand: Demand | None = None
) -> Plan:
    """How to load a model, for a conversation as long as there is room for.

    Raises:
        MemoryLimitError: not even a short conversation without pictures and clips fits.
    """
    demand = demand or Demand()
    plan = plan_model(config, weights, machine, demand)
    if plan.verdict != "too big":
        return plan
    least = replace(
        demand, context=min(LEAST_CONTEXT, config.context_length), image_tokens=0, hears=False
    )
    plan = plan_model(config, weights, machine, least)
    require_room(plan)
    return plan


def require_room(plan: Plan) -> None:
    """Raise `MemoryLimitError`, with the sum and with what would fit, unless a plan fits."""
    if plan.verdict != "too big":
        return
    total, limit = plan.total_bytes / 1e9, plan.limit_bytes / 1e9
    parts = " + ".join(f"{line.nbytes / 1e9:.2f} {line.key}" for line in plan.lines)
    raise MemoryLimitError(
        f"the model takes {total:.2f} GB, {plan.machine.name} has {limit:.2f} GB to use: {parts}",
        f"{advice(plan)}; `gemma4 plan` shows the sum",
    )

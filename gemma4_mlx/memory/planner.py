"""The planner: finds a way to run a model that fits.

What is given up for room is given up in this order, and no further than needed:

1. the table of per-layer embeddings is left in its file (the same results; a page of it is read
   for each token),
2. keys and values that are the same are kept once, where values are keys (the same results),
3. the prompt is read in smaller pieces, down to `SMALLEST_CHUNK` (the same results, slower),
4. the towers are let go of after each picture or clip (the same results; read again for the next),
5. keys and values of full layers are packed to 8, then 4 bits (close results).

The first four are taken to be comfortable, that is to leave `COMFORT_SHARE` of what is usable.
The last is taken only where it decides: most layers see a window and keep little, so that it
saves next to nothing of a short conversation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import UsageError
from gemma4_mlx.kv_format import KV_BITS, ROW_STEP, KVFormat
from gemma4_mlx.memory.machine import Machine
from gemma4_mlx.memory.plan import Choice, Demand, Plan, Verdict, can_pack
from gemma4_mlx.memory.weights import Weights
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, PUBLISHED_IMAGE_TOKENS

DEFAULT_CONTEXT = 8192
"""Positions that a plan is made for unless it is told."""

LARGEST_CHUNK, SMALLEST_CHUNK = 2048, 128
"""Positions of a prompt that are read at once, where there is room and where there is not."""


def plan_model(
    config: ModelConfig, weights: Weights, machine: Machine, demand: Demand | None = None
) -> Plan:
    """How to run a model on a machine, and whether it fits.

    Args:
        config: of the model.
        weights: from `checkpoint_weights` or `planned_weights`.
        machine: from `this_machine` or `mac`.
        demand: what for; an ordinary conversation if None.

    Returns:
        The first plan that fits in the order above; the one that takes least if none does.

    Raises:
        UsageError: a context that the model does not have, or a budget that there is not.
    """
    settled = _settled(config, demand or Demand())
    return _chosen(Plan(config, weights, machine, settled, Choice()))


def plan_turn(
    plan: Plan,
    *,
    context: int,
    new: int,
    image_tokens: int = 0,
    hears: bool = False,
    prepared_bytes: int = 0,
) -> Plan:
    """How to run a model that is loaded, for one turn.

    Args:
        plan: that it was loaded by.
        context: positions that there will be at the end, the answer's included.
        new: positions that are to be read.
        image_tokens: soft tokens of the largest picture among them; 0 for none.
        hears: whether there is a clip among them.
        prepared_bytes: of all pictures, frames and clips of the conversation, as arrays.

    Returns:
        What that takes, and with which choices; its verdict says whether it fits.
    """
    demand = replace(
        plan.demand,
        context=context,
        new=new,
        image_tokens=image_tokens,
        hears=hears,
        prepared_bytes=prepared_bytes,
        per_layer_table=plan.choice.per_layer_table,
    )
    return _chosen(replace(plan, demand=demand))


def largest_context(plan: Plan, verdict: Verdict = "tight") -> int:
    """The longest conversation, in steps of 256 positions, that fits, be it by conceding more.

    Args:
        plan: of the model, the machine, and what is shown and said to it.
        verdict: "fits" for one that leaves room to spare.

    Returns:
        Positions; 0 if there is no room for any.
    """
    good = {"fits"} if verdict == "fits" else {"fits", "tight"}

    def suits(context: int) -> bool:
        demand = replace(plan.demand, context=context)
        return plan_model(plan.config, plan.weights, plan.machine, demand).verdict in good

    longest = plan.config.context_length
    if suits(longest):
        return longest
    low, high = 0, -(-longest // ROW_STEP)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if suits(middle * ROW_STEP) else (low, middle)
    return low * ROW_STEP


def _chosen(plan: Plan) -> Plan:
    """The plan with the first choice that fits."""
    choices = _choices(plan.config, plan.demand)
    plans = [replace(plan, choice=choice) for choice in choices]
    exact = [each for each in plans if each.choice.kv.bits is None or plan.demand.kv is not None]
    for candidates, verdict in ((exact, "fits"), (exact, "tight"), (plans, "tight")):
        for candidate in candidates:
            if candidate.verdict == verdict:
                return candidate
    return min(exact, key=lambda each: each.total_bytes)


def _settled(config: ModelConfig, demand: Demand) -> Demand:
    """The demand with nothing left open but what the plan chooses."""
    longest = config.context_length
    context = min(DEFAULT_CONTEXT, longest) if demand.context is None else demand.context
    if not 0 < context <= longest:
        raise UsageError(
            f"a context of {context} tokens: this model has 1 to {longest}",
            f"give at most {longest}",
        )
    budget = demand.image_tokens
    if budget is None:
        budget = PUBLISHED_IMAGE_TOKENS if config.vision_config is not None else 0
    if budget and budget not in IMAGE_TOKEN_BUDGETS:
        choices = ", ".join(map(str, IMAGE_TOKEN_BUDGETS))
        raise UsageError(f"image_tokens {budget}: expected {choices}, or 0 for no pictures")
    hears = config.audio_config is not None and demand.hears is not False
    return replace(demand, context=context, image_tokens=budget, hears=hears)


def _choices(config: ModelConfig, demand: Demand) -> Iterator[Choice]:
    """Ways to run it, each of which takes no more than the one before."""
    text = config.text_config
    choice = Choice(LARGEST_CHUNK, kv=demand.kv or KVFormat())
    if demand.per_layer_table == "mapped":
        choice = replace(choice, per_layer_table="mapped")
    yield choice
    if text.hidden_size_per_layer_input and demand.per_layer_table == "auto":
        choice = replace(choice, per_layer_table="mapped")
        yield choice
    if demand.kv is None and any(layer.k_eq_v for layer in text.layers):
        choice = replace(choice, kv=KVFormat(folded=True))
        yield choice
    while choice.chunk > SMALLEST_CHUNK:
        choice = replace(choice, chunk=choice.chunk // 2)
        yield choice
    choice = replace(choice, keeps_towers=False)
    yield choice
    if demand.kv is None:
        yield from (
            replace(choice, kv=replace(choice.kv, bits=bits))
            for bits in KV_BITS
            if can_pack(text, choice.kv)
        )

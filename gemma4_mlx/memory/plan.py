"""The plan: what a model takes on a machine, whether that fits, and what was chosen for that.

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
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from gemma4_mlx.config import ModelConfig, TextConfig
from gemma4_mlx.errors import MemoryLimitError, UsageError
from gemma4_mlx.kv_format import (
    KV_BITS,
    ROW_STEP,
    KVFormat,
    cache_bytes,
    row_bytes,
    row_lanes,
    rows_held,
)
from gemma4_mlx.limits import BUFFER_CACHE_BYTES
from gemma4_mlx.memory.machine import Machine
from gemma4_mlx.memory.scratch import (
    Reading,
    decode_bytes,
    largest_array_bytes,
    media_bytes,
    prefill_bytes,
)
from gemma4_mlx.memory.weights import AUDIO, TABLE, VISION, Weights
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS

Verdict = Literal["fits", "tight", "too big"]

DEFAULT_CONTEXT = 8192
"""Positions that a plan is made for unless it is told."""

LARGEST_CHUNK, SMALLEST_CHUNK = 2048, 128
"""Positions of a prompt that are read at once, where there is room and where there is not."""

COMFORT_SHARE = 0.1
"""Share of the usable memory that a model which fits leaves free."""

WORTHWHILE_SHARE = 0.05
"""Packing keys and values is worth a word if it saves as much of the whole."""

RUNTIME_BYTES = 300_000_000
"""Python, MLX, the libraries and the tokenizer's tables."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a plan is made for.

    Attributes:
        context: positions of the conversation; None for `DEFAULT_CONTEXT`, or all of a model
            that has fewer.
        new: how many of them are read in one prompt; None for all.
        image_tokens: budget of the largest picture; 0 for none; None for 280 where it sees.
        hears: whether there will be clips; None for yes where it hears.
        per_layer_table: "auto" leaves it to the plan.
        kv: how full layers keep keys and values; None leaves it to the plan.
    """

    context: int | None = None
    new: int | None = None
    image_tokens: int | None = None
    hears: bool | None = None
    per_layer_table: Literal["auto", "resident", "mapped"] = "auto"
    kv: KVFormat | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """How a model is run.

    Attributes:
        chunk: positions of a prompt that are read at once.
        per_layer_table: where the table of per-layer embeddings is; "resident" if there is none.
        kv: how full layers keep keys and values.
        keeps_towers: whether towers stay in memory once they were needed.
    """

    chunk: int = LARGEST_CHUNK
    per_layer_table: Literal["resident", "mapped"] = "resident"
    kv: KVFormat = field(default_factory=KVFormat)
    keeps_towers: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan's sum.

    Attributes:
        key: what it is for: a part of the weights, or "kv_full", "kv_sliding", "reading",
            "media", "reuse", "runtime".
        nbytes: so many bytes.
    """

    key: str
    nbytes: int


@dataclass(frozen=True)
class Plan:
    """What a model takes, and how it is run so that it takes no more.

    Attributes:
        config, weights, machine: that it was made for.
        demand: what was asked for; context, pictures and clips are settled.
        choice: how to run it.
    """

    config: ModelConfig
    weights: Weights
    machine: Machine
    demand: Demand
    choice: Choice

    @property
    def context(self) -> int:
        """Positions that it was made for."""
        assert self.demand.context is not None
        return self.demand.context

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The sum that decides, line by line; none of them is 0."""
        return tuple(line for line in _lines(self) if line.nbytes)

    @cached_property
    def total_bytes(self) -> int:
        """The most memory that is held at once."""
        return sum(line.nbytes for line in self.lines)

    @property
    def limit_bytes(self) -> int:
        """The most that it may be."""
        return self.machine.usable_bytes

    @property
    def verdict(self) -> Verdict:
        """Whether it fits: with room to spare, just so, or not."""
        if self.total_bytes > self.limit_bytes or not self.suits_buffers:
            return "too big"
        comfortable = self.total_bytes <= self.limit_bytes * (1 - COMFORT_SHARE)
        return "fits" if comfortable else "tight"

    @property
    def suits_buffers(self) -> bool:
        """Whether no single array is larger than the GPU takes."""
        limit = self.machine.max_buffer_bytes
        if limit is None:
            return True
        table = 0
        if self.choice.per_layer_table == "resident":
            table = self.weights.nbytes(self.machine.item_bytes, TABLE)
        return max(table, largest_array_bytes(self.config.text_config, self.reading)) <= limit

    @property
    def reading(self) -> Reading:
        """The longest prompt of this plan."""
        # A picture is never cut, so that it may be longer than a chunk.
        chunk = max(self.choice.chunk, self.demand.image_tokens or 0)
        new = self.context if self.demand.new is None else self.demand.new
        return Reading(self.context, new, chunk, self.machine.item_bytes, self.choice.kv)

    @property
    def packing_saves_bytes(self) -> int:
        """What keys and values of full layers take less in 8 bits, or in the bits they have."""
        kv = self.choice.kv
        text, item = self.config.text_config, self.machine.item_bytes
        if not _can_pack(text, kv):
            return 0
        plain, packed = replace(kv, bits=None), replace(kv, bits=kv.bits or KV_BITS[0])
        before, after = (cache_bytes(text, self.context, item, each) for each in (plain, packed))
        return before - after

    @property
    def packing_is_worthwhile(self) -> bool:
        """Whether that is so much of the whole that it should be offered."""
        return self.packing_saves_bytes >= WORTHWHILE_SHARE * self.total_bytes


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
    choices = _choices(config, settled)
    plans = [Plan(config, weights, machine, settled, choice) for choice in choices]
    exact = [plan for plan in plans if plan.choice.kv.bits is None or settled.kv is not None]
    for candidates, verdict in ((exact, "fits"), (exact, "tight"), (plans, "tight")):
        for plan in candidates:
            if plan.verdict == verdict:
                return plan
    return min(exact, key=lambda plan: plan.total_bytes)


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
    least = replace(demand, context=min(512, config.context_length), image_tokens=0, hears=False)
    plan = plan_model(config, weights, machine, least)
    require_room(plan)
    return plan


def plan_turn(
    plan: Plan,
    cached_positions: int,
    new_positions: int,
    *,
    image_tokens: int = 0,
    hears: bool = False,
) -> Plan:
    """The same model, run the same way, for one more turn.

    Args:
        plan: that it was loaded by.
        cached_positions: that were read before.
        new_positions: that are to be read and written.
        image_tokens: of the largest picture among the new ones; 0 for none.
        hears: whether there is a clip among them.

    Returns:
        What that takes; its verdict says whether it fits.
    """
    demand = replace(
        plan.demand,
        context=cached_positions + new_positions,
        new=new_positions,
        image_tokens=image_tokens,
        hears=hears,
    )
    return replace(plan, demand=demand)


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


def require_room(plan: Plan) -> None:
    """Raise `MemoryLimitError`, with the sum, if a plan does not fit."""
    if plan.verdict != "too big":
        return
    total, limit = plan.total_bytes / 1e9, plan.limit_bytes / 1e9
    parts = " + ".join(f"{line.nbytes / 1e9:.2f} {line.key}" for line in plan.lines)
    raise MemoryLimitError(
        f"the model takes {total:.2f} GB, {plan.machine.name} has {limit:.2f} GB to use: {parts}",
        "take a smaller model, or one with fewer bits: `gemma4 plan` says what fits",
    )


def _settled(config: ModelConfig, demand: Demand) -> Demand:
    """The demand with nothing left open but what the plan chooses."""
    longest = config.context_length
    context = min(DEFAULT_CONTEXT, longest) if demand.context is None else demand.context
    if not 0 < context <= longest:
        raise UsageError(
            f"a context of {context} positions: this model has 1 to {longest}",
            f"give at most {longest}",
        )
    budget = demand.image_tokens
    if budget is None:
        budget = 280 if config.vision_config is not None else 0
    if budget and budget not in IMAGE_TOKEN_BUDGETS:
        choices = ", ".join(map(str, IMAGE_TOKEN_BUDGETS))
        raise UsageError(f"image_tokens {budget}: expected {choices}, or 0 for no pictures")
    hears = config.audio_config is not None and demand.hears is not False
    return replace(demand, context=context, image_tokens=budget, hears=hears)


def _choices(config: ModelConfig, demand: Demand) -> Iterator[Choice]:
    """Ways to run it, each of which takes no more than the one before."""
    text = config.text_config
    choice = Choice(kv=demand.kv or KVFormat())
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
            if _can_pack(text, choice.kv)
        )


def _can_pack(config: TextConfig, kv: KVFormat) -> bool:
    """Whether groups divide what full layers keep of a position."""
    full = (layer for layer in config.layers if layer.window is None)
    return all(lanes % 32 == 0 for layer in full for lanes in row_lanes(layer, kv))


def _lines(plan: Plan) -> Iterator[Line]:
    config, item, demand = plan.config, plan.machine.item_bytes, plan.demand
    text, reading = config.text_config, plan.reading
    towers = [VISION] * bool(demand.image_tokens) + [AUDIO] * bool(demand.hears)
    left_out = {VISION, AUDIO}.difference(towers if plan.choice.keeps_towers else ())
    if plan.choice.per_layer_table == "mapped":
        left_out.add(TABLE)
    for part in plan.weights.parts:
        if part not in left_out:
            yield Line(part, plan.weights.nbytes(item, part))
    held = cache_bytes(text, plan.context, item, plan.choice.kv)
    sliding = _sliding_bytes(text, plan.context, item)
    yield Line("kv_full", held - sliding)
    yield Line("kv_sliding", sliding)
    work = max(prefill_bytes(text, reading), decode_bytes(text, reading))
    media = media_bytes(config, demand.image_tokens or 0, bool(demand.hears), item)
    if not plan.choice.keeps_towers and towers:
        media += plan.weights.nbytes(item, *towers)
    yield Line("reading", work)
    yield Line("media", max(0, media - work))
    yield Line("reuse", min(BUFFER_CACHE_BYTES, work))
    yield Line("runtime", RUNTIME_BYTES)


def _sliding_bytes(config: TextConfig, context: int, item_bytes: int) -> int:
    """Of `cache_bytes`, what the layers keep that see a window."""
    return sum(
        rows_held(context, layer.window) * row_bytes(layer, item_bytes, KVFormat())
        for layer in config.layers
        if layer.owns_kv and layer.window is not None
    )

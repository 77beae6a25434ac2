"""The plan: what a model takes on a machine, run in a certain way, and whether that fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from gemma4_mlx.config import ModelConfig, TextConfig
from gemma4_mlx.kv_format import (
    KV_BITS,
    KVFormat,
    cache_bytes,
    row_bytes,
    row_lanes,
    rows_held,
)
from gemma4_mlx.limits import BUFFER_CACHE_BYTES, CHUNK_POSITIONS
from gemma4_mlx.memory.machine import Machine
from gemma4_mlx.memory.scratch import (
    Reading,
    decode_bytes,
    largest_array_bytes,
    media_bytes,
    prefill_bytes,
)
from gemma4_mlx.memory.weights import AUDIO, TABLE, VISION, Weights

Verdict = Literal["fits", "tight", "too big"]

COMFORT_SHARE = 0.1
"""Share of the usable memory that a model which fits leaves free."""

LIBRARIES_BYTES = 80_000_000
"""Python, MLX and the other libraries, measured on Linux after a turn of the bundled model."""

TOKEN_BYTES = 1150
"""Of the tokenizer's tables for each of its tokens: 300 MB for 262144 tokens and 512000 merges,
measured on Linux with tokenizers 0.23."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a plan is made for.

    Attributes:
        context: positions of the conversation; None for `DEFAULT_CONTEXT`, or all of a model
            that has fewer.
        new: how many of them are read in one prompt; None for all.
        image_tokens: of the largest picture, or its budget; 0 for none; None for 280 where the
            model sees.
        hears: whether there will be clips; None for yes where it hears.
        prepared_bytes: of all pictures, frames and clips as the processor hands them over; the
            largest picture is counted anyway.
        per_layer_table: "auto" leaves it to the plan.
        kv: how full layers keep keys and values; None leaves it to the plan.
    """

    context: int | None = None
    new: int | None = None
    image_tokens: int | None = None
    hears: bool | None = None
    prepared_bytes: int = 0
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

    chunk: int = CHUNK_POSITIONS
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
        if not can_pack(text, kv):
            return 0
        plain, packed = replace(kv, bits=None), replace(kv, bits=kv.bits or KV_BITS[0])
        before, after = (cache_bytes(text, self.context, item, each) for each in (plain, packed))
        return before - after


def can_pack(config: TextConfig, kv: KVFormat) -> bool:
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
    media = media_bytes(
        config,
        demand.image_tokens or 0,
        bool(demand.hears),
        item,
        prepared_bytes=demand.prepared_bytes,
    )
    if not plan.choice.keeps_towers and towers:
        media += plan.weights.nbytes(item, *towers)
    yield Line("reading", work)
    yield Line("media", max(0, media - work))
    yield Line("reuse", min(BUFFER_CACHE_BYTES, work))
    yield Line("runtime", LIBRARIES_BYTES + TOKEN_BYTES * text.vocab_size)


def _sliding_bytes(config: TextConfig, context: int, item_bytes: int) -> int:
    """Of `cache_bytes`, what the layers keep that see a window."""
    return sum(
        rows_held(context, layer.window) * row_bytes(layer, item_bytes, KVFormat())
        for layer in config.layers
        if layer.owns_kv and layer.window is not None
    )

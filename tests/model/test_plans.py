"""Plans: what is chosen for a machine, in which order, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx import memory
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import MemoryLimitError, UsageError
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.limits import block_rows, score_bytes
from gemma4_mlx.memory import (
    GIB,
    Demand,
    Machine,
    largest_context,
    mac,
    plan_loading,
    plan_model,
    plan_turn,
    planned_weights,
    published_config,
    require_room,
    variant_plan,
)
from gemma4_mlx.memory import scratch as scratch_module
from gemma4_mlx.memory.scratch import Reading, largest_array_bytes, prefill_bytes, vision_bytes
from gemma4_mlx.recipes import DEFAULT_RECIPE, RECIPES
from tests.parity.configs import CONFIGS

DATA = Path(__file__).parents[1] / "data" / "configs"

every_variant = pytest.mark.parametrize("variant", memory.PUBLISHED)


CONTEXTS = st.integers(1, 131072)
MEMORIES = st.integers(4, 200)
VARIANTS = st.sampled_from(memory.PUBLISHED)
BUDGETS = st.sampled_from([0, 70, 280, 1120])


@cache
def usual_weights(variant: str) -> memory.Weights:
    config = published_config(variant)
    return planned_weights(config, RECIPES[DEFAULT_RECIPE].formats(config))


def planned(variant: str, gib: float, context: int, budget: int = 280) -> memory.Plan:
    demand = Demand(context=context, image_tokens=budget)
    return plan_model(published_config(variant), usual_weights(variant), mac(gib), demand)


few = settings(max_examples=25)


@few
@given(VARIANTS, MEMORIES, MEMORIES, CONTEXTS, BUDGETS)
def test_pain_22_more_memory_never_makes_it_worse(variant, one, other, context, budget):
    less, more = sorted((one, other))
    order = ["too big", "tight", "fits"]
    verdicts = [planned(variant, gib, context, budget).verdict for gib in (less, more)]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


@few
@given(VARIANTS, CONTEXTS, CONTEXTS, BUDGETS)
def test_pain_22_a_longer_conversation_never_takes_less(variant, one, other, budget):
    """Run the same way; and whatever way is found, it never fits better."""
    shorter, longer = sorted((one, other))
    first = planned(variant, 1000, shorter, budget)
    second = planned(variant, 1000, longer, budget)
    assert replace(first, choice=second.choice).total_bytes <= second.total_bytes
    order = ["too big", "tight", "fits"]
    small = [planned(variant, 24, context, budget).verdict for context in (shorter, longer)]
    assert order.index(small[0]) >= order.index(small[1])


@given(VARIANTS, CONTEXTS, st.integers(1, 4096), st.sampled_from([2, 4]))
def test_scores_are_never_planned_too_small(variant, keys, rows, item_bytes):
    heads = published_config(variant).text_config.num_attention_heads
    needed = score_bytes(heads, rows, keys, item_bytes)
    assert scratch_module._score_bytes(heads, rows, keys, item_bytes) >= needed


@every_variant
def test_each_concession_takes_no_more_than_the_one_before(variant):
    config = published_config(variant)
    weights = planned_weights(config, {})
    plan = plan_model(config, weights, mac(8), Demand(context=32768))
    choices = list(memory.planner._choices(config, plan.demand))
    totals = [replace(plan, choice=choice).total_bytes for choice in choices]
    assert totals == sorted(totals, reverse=True)
    assert len(totals) > 6


@pytest.mark.parametrize(
    ("variant", "gib", "context", "expected"),
    [
        ("E2B", 8, 65536, ("fits", "mapped", False, 2048, None)),
        ("E2B", 16, 8192, ("fits", "resident", False, 2048, None)),
        ("E4B", 8, 8192, ("fits", "mapped", False, 1024, None)),
        ("E4B", 16, 131072, ("fits", "resident", False, 2048, None)),
        ("26B-A4B", 16, 4096, ("too big", "resident", True, 256, None)),
        ("26B-A4B", 32, 8192, ("fits", "resident", False, 2048, None)),
        ("31B", 32, 16384, ("tight", "resident", True, 1024, None)),
        ("26B-A4B", 24, 4096, ("tight", "resident", True, 1024, None)),
        ("31B", 32, 40960, ("tight", "resident", True, 128, 8)),
        ("31B", 32, 49152, ("tight", "resident", True, 128, 4)),
        ("31B", 64, 65536, ("fits", "resident", False, 2048, None)),
    ],
)
def test_pain_35_what_is_chosen(variant, gib, context, expected):
    """Keys and values are packed only where nothing else makes a long conversation fit."""
    plan = planned(variant, gib, context)
    choice = plan.choice
    assert expected == (
        plan.verdict,
        choice.per_layer_table,
        choice.kv.folded,
        choice.chunk,
        choice.kv.bits,
    )


@pytest.mark.parametrize(
    ("variant", "context", "matters"),
    [
        ("E2B", 8192, False),
        ("E2B", 131072, True),
        ("26B-A4B", 8192, False),
        ("26B-A4B", 32768, False),
        ("26B-A4B", 131072, True),
        ("31B", 4096, False),
        ("31B", 131072, True),
    ],
)
def test_pain_35_packing_saves_little_but_of_long_conversations(variant, context, matters):
    plan = planned(variant, 1000, context)
    assert plan.choice.kv.bits is None
    assert (plan.packing_saves_bytes >= 0.05 * plan.total_bytes) == matters


def test_pain_35_what_packing_saves_is_that_of_the_bits_there_are():
    config, weights = published_config("31B"), usual_weights("31B")
    saved = {
        bits: plan_model(config, weights, mac(200), Demand(kv=KVFormat(bits))).packing_saves_bytes
        for bits in (None, 8, 4)
    }
    assert 0 < saved[8] < saved[4]
    assert saved[None] == saved[8]
    odd = tiny("26b-like")
    machine = Machine(GIB, 1)  # so small that all is folded
    assert plan_model(odd, planned_weights(odd, {}), machine).packing_saves_bytes == 0


def test_pain_23_no_array_is_larger_than_the_gpu_takes():
    config = published_config("E2B")
    weights = planned_weights(config, {})
    machine = Machine(64 * GIB, 48 * GIB, max_buffer_bytes=256 * 1024**2)
    plan = plan_model(config, weights, machine, Demand(context=4096, image_tokens=0))
    assert plan.verdict == "fits"
    assert plan.choice.per_layer_table == "mapped"
    assert largest_array_bytes(config.text_config, plan.reading) <= machine.max_buffer_bytes
    smaller = replace(machine, max_buffer_bytes=32 * 1024**2)
    cut = plan_model(config, weights, smaller, Demand(context=4096, image_tokens=0))
    assert cut.verdict == "fits"
    assert cut.choice.chunk < plan.choice.chunk
    assert largest_array_bytes(config.text_config, cut.reading) <= smaller.max_buffer_bytes


@pytest.mark.parametrize(("heads", "context"), [(8, 8192), (8, 131072), (1024, 131072)])
def test_pain_23_scores_are_one_array_for_as_many_rows_as_a_block_has(heads, context):
    """Where keys and values of a position are few, nothing else is as large."""
    raw = published_config("E2B").raw
    text = raw["text_config"] | {"num_attention_heads": heads, "global_head_dim": 64}
    config = ModelConfig.from_dict(raw | {"text_config": text}).text_config
    expected = heads * block_rows(heads, context) * context * 4
    for chunk in (1024, 2048):
        assert largest_array_bytes(config, Reading(context, context, chunk, 2)) == expected


@pytest.mark.parametrize(
    ("variant", "context", "values", "item_bytes"),
    [
        ("E4B", 256, 256 * 42 * 256, 2),  # the per-layer embeddings of all layers
        ("31B", 256, 256 * 21504, 2),  # the widest MLP
        ("26B-A4B", 8192, 2048 * 8 * 2816, 4),  # what each of eight experts makes
        ("31B", 131072, 131072 * 4 * 512, 2),  # the keys of a full layer
    ],
)
def test_pain_23_the_largest_array(variant, context, values, item_bytes):
    config = published_config(variant).text_config
    reading = Reading(context, context, 2048, 2)
    assert largest_array_bytes(config, reading) == values * item_bytes


def test_pain_47_what_does_not_fit_names_what_does():
    plan = planned("26B-A4B", 16, 4096)
    hint = memory.advice(plan)
    assert hint.startswith("use E4B: at gemma4-mixed-4.v1 it takes ")
    assert f"of the {plan.limit_bytes / 1e9:.2f} GB" in hint
    assert memory.advice(planned("E2B", 2, 512)) == "no published variant fits this machine"
    assert memory.advice(planned("E2B", 16, 4096)) == ""
    # Beside what a large picture takes no conversation has room.
    assert re.fullmatch(
        r"without pictures and clips a conversation of up to [1-9]\d+ tokens fits",
        memory.advice(planned("E2B", 2.2, 4096, 1120)),
    )


def test_a_shorter_conversation_is_named_where_one_fits():
    plan = planned("31B", 32, 262144)
    longest = largest_context(plan)
    assert memory.advice(plan) == f"a conversation of up to {longest} tokens fits"
    assert planned("31B", 32, longest).verdict == "tight"
    assert planned("31B", 32, longest + 256).verdict == "too big"


@pytest.mark.parametrize(("room_for", "longest"), [(768, 768), (999, 768), (1000, 1000)])
def test_the_longest_conversation_of_a_model_that_steps_do_not_divide(room_for, longest):
    raw = published_config("E2B").raw
    text = raw["text_config"] | {"max_position_embeddings": 1000}
    config = ModelConfig.from_dict(raw | {"text_config": text})
    weights, demand = planned_weights(config, {}), Demand(context=room_for, kv=KVFormat())
    needed = plan_model(config, weights, Machine(GIB, GIB), demand).total_bytes
    plan = plan_model(config, weights, Machine(needed, needed), demand)
    assert plan.verdict == "tight"
    assert largest_context(plan) == longest
    smaller = replace(plan, machine=Machine(needed, needed // 2))
    assert largest_context(smaller) == 0


def test_loading_goes_down_to_a_short_conversation_before_it_refuses():
    config = published_config("31B")
    weights = planned_weights(config, RECIPES["plain-4"].formats(config))
    usual = plan_model(config, weights, mac(64))
    room = weights.nbytes(2) + 2 * GIB
    plan = plan_loading(config, weights, Machine(64 * GIB, room))
    assert plan.context == 512 < usual.context
    assert not plan.demand.image_tokens
    with pytest.raises(
        MemoryLimitError, match=r"takes \d+.\d\d GB, a Mac with 16 GB has 11.85"
    ) as e:
        plan_loading(config, weights, mac(16))
    assert e.value.hint.startswith("use E4B: ")


def test_a_turn_takes_what_its_own_prompt_needs():
    plan = planned("26B-A4B", 32, 8192)
    first = plan_turn(plan, context=20_000, new=19_000)
    later = plan_turn(plan, context=20_000, new=1000)
    assert later.total_bytes < first.total_bytes
    # Writing a word takes its logits, however little was read.
    least = {line.key: line.nbytes for line in plan_turn(plan, context=300, new=1).lines}
    assert least["reading"] >= 3 * plan.config.text_config.vocab_size * 4
    seen = plan_turn(plan, context=20_000, new=1000, image_tokens=266)
    assert seen.total_bytes > later.total_bytes
    with pytest.raises(MemoryLimitError, match=r"kv_full"):
        require_room(plan_turn(planned("26B-A4B", 24, 2048), context=250_000, new=250_000))


def test_a_turn_keeps_the_table_where_it_was_loaded():
    plan = planned("E4B", 8, 8192)
    assert plan.choice.per_layer_table == "mapped"
    turn = plan_turn(plan, context=100, new=50)
    assert turn.choice.per_layer_table == "mapped"
    assert (turn.verdict, turn.choice.chunk) == ("fits", 2048)


def test_pictures_and_clips_that_are_not_shown_take_nothing():
    without, seen = planned("E2B", 64, 4096, 0), planned("E2B", 64, 4096, 1120)
    assert "vision" in {line.key for line in seen.lines}
    assert "vision" not in {line.key for line in without.lines}
    assert without.total_bytes < seen.total_bytes


def test_a_larger_budget_takes_more():
    config = published_config("26B-A4B").vision_config
    sizes = [vision_bytes(config, budget, 2) for budget in (70, 140, 280, 560, 1120)]
    assert sizes == sorted(sizes)


def test_pain_23_the_scores_of_a_large_picture_are_never_there_all_at_once():
    config = published_config("26B-A4B").vision_config
    scores = config.num_attention_heads * (1120 * 9) ** 2 * 2
    assert vision_bytes(config, 1120, 2) < scores / 3


def test_a_picture_is_a_chunk_of_its_own():
    demand = Demand(context=4096, image_tokens=1120)
    plan = variant_plan("31B", mac(32), demand)
    assert plan.reading.chunk >= 1120


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        (Demand(context=131073), r"a context of 131073 tokens: this model has 1 to 131072"),
        (Demand(context=0), r"a context of 0 tokens"),
        (Demand(image_tokens=300), r"image_tokens 300: expected 70, 140, 280, 560, 1120"),
    ],
)
def test_demands_that_cannot_be_met(demand, said):
    with pytest.raises(UsageError, match=said):
        variant_plan("E2B", mac(8), demand)


def test_a_prompt_shorter_than_a_piece_takes_what_it_needs():
    config = published_config("E2B").text_config
    sizes = {chunk: prefill_bytes(config, Reading(8192, 10, chunk, 2)) for chunk in (10, 2048)}
    assert sizes[2048] == sizes[10]


def test_every_expert_that_is_asked_answers_in_float32():
    """Its products are there three times: weighted, sorted and back in order."""
    config = published_config("26B-A4B").text_config
    products = 1024 * config.experts.active * config.hidden_size * 4
    assert prefill_bytes(config, Reading(1024, 1024, 1024, 2)) > 3 * products


def tiny(name: str, **text: object) -> ModelConfig:
    raw = CONFIGS[name]
    return ModelConfig.from_dict(raw | {"text_config": raw["text_config"] | text})


def test_a_model_of_few_positions_is_planned_for_all_of_them():
    config = tiny("e2b-like", max_position_embeddings=300)
    weights = planned_weights(config, {})
    assert plan_model(config, weights, mac(8)).context == 300
    room = plan_model(config, weights, mac(8), Demand(image_tokens=0, hears=False)).total_bytes
    assert plan_loading(config, weights, Machine(GIB, room)).context == 300


def test_rows_that_groups_do_not_divide_are_never_packed():
    config = tiny("26b-like")  # its values are its keys, so that few lanes are left once folded
    plan = plan_model(config, planned_weights(config, {}), Machine(GIB, 1))
    bits = {choice.kv.bits for choice in memory.planner._choices(config, plan.demand)}
    assert bits == {None}


def test_no_room_is_made_for_pictures_that_nobody_sees():
    raw = CONFIGS["e2b-like"] | {"vision_config": None, "audio_config": None}
    config = ModelConfig.from_dict(raw)
    demand = plan_model(config, planned_weights(config, {}), mac(8)).demand
    assert (demand.image_tokens, demand.hears) == (0, False)


def test_reading_less_takes_less():
    config = published_config("E2B").text_config
    sizes = [prefill_bytes(config, Reading(8192, 8192, chunk, 2)) for chunk in (128, 512, 2048)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 2


# --- Published models ---


@every_variant
def test_configs_are_the_hub_s(variant):
    ours = json.loads((DATA / f"gemma-4-{variant}-it.config.json").read_text())
    assert published_config(variant).raw == ours


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("E2B", ("E2B", None)),
        ("26b-a4b", ("26B-A4B", None)),
        ("google/gemma-4-E4B-it", ("E4B", "bf16")),
        ("google/gemma-4-31B", ("31B", "bf16")),
        ("mlx-community/gemma-4-e2b-it-4bit", ("E2B", "plain-4")),
        ("mlx-community/gemma-4-26b-a4b-it-8bit", ("26B-A4B", "plain-8")),
        ("google/gemma-4-12B-it", None),
        ("google/gemma-4-E2B-it-assistant", None),
        ("mlx-community/gemma-4-e2b-it-odd", None),
        ("E2B-it", None),
        ("somebody/else", None),
    ],
)
def test_hub_ids_say_what_they_are(name, found):
    published = memory.find_published(name)
    assert (published and (published.variant, published.recipe)) == found

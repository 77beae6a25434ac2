"""Sampling against a plain implementation of the reference's order, and its guarantees."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx.errors import ConfigError, UsageError
from gemma4_mlx.sampling import Sampler, SamplingParams, _best

PUBLISHED = {"do_sample": True, "temperature": 1.0, "top_k": 64, "top_p": 0.95}


def reference_probabilities(logits, params):
    """Temperature, top-k, top-p, min-p over one row, as the reference orders them."""
    scores = np.asarray(logits, np.float64) / params.temperature
    if params.top_k:
        kth = np.sort(scores)[-min(params.top_k, scores.size)]
        scores = np.where(scores < kth, -np.inf, scores)
    if params.top_p < 1:
        ascending = np.argsort(scores, kind="stable")
        removed = np.cumsum(softmax(scores[ascending])) <= 1 - params.top_p
        removed[-1] = False
        scores[ascending[removed]] = -np.inf
    if params.min_p:
        probabilities = softmax(scores)
        scores = np.where(probabilities < params.min_p * probabilities.max(), -np.inf, scores)
    return softmax(scores)


def softmax(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def sampled_probabilities(logits, params):
    """The distribution that the sampler draws from, without drawing."""
    row = mx.array(np.asarray(logits, np.float32))[None]
    scores, tokens = Sampler(params)._candidates(row / params.temperature)
    probabilities = np.zeros(row.shape[-1])
    ids = np.arange(row.shape[-1]) if tokens is None else np.array(tokens[0])
    probabilities[ids] = np.array(mx.softmax(scores, axis=-1)[0])
    return probabilities


def draw(params, logits, count, **options):
    rows = mx.broadcast_to(mx.array(logits, dtype=mx.float32)[None], (count, len(logits)))
    return np.array(Sampler(params, **options)(rows))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("top_k", [0, 1, 7, 64, 5000])
@pytest.mark.parametrize("top_p", [1.0, 0.95, 0.4, 0.0])
@pytest.mark.parametrize("min_p", [0.0, 0.05, 1.0])
def test_the_distribution_is_the_references(temperature, top_k, top_p, min_p):
    logits = np.random.default_rng(4).normal(scale=3, size=1000).astype(np.float32)
    params = SamplingParams(temperature, top_k, top_p, min_p)
    expected = reference_probabilities(logits, params)
    np.testing.assert_allclose(sampled_probabilities(logits, params), expected, atol=2e-6)


@settings(deadline=None, max_examples=60)
@given(
    logits=st.lists(st.integers(-40, 40), min_size=2, max_size=30, unique=True),
    top_k=st.integers(0, 31),
    top_p=st.floats(0, 1),
    min_p=st.floats(0, 1),
)
def test_something_is_always_left_to_choose(logits, top_k, top_p, min_p):
    probabilities = sampled_probabilities(logits, SamplingParams(1.0, top_k, top_p, min_p))
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert probabilities.argmax() == int(np.argmax(logits))


@pytest.mark.parametrize("vocabulary", [2, 97, 1024, 1025, 4096, 262144])
@pytest.mark.parametrize("k", [1, 2, 40, 64, 1000])
@pytest.mark.parametrize("levels", [3, 10**9])  # few: many ties
def test_the_best_are_found_whatever_the_size(vocabulary, k, levels):
    k = min(k, vocabulary - 1)
    scores = np.random.default_rng(k).integers(-levels, levels, (2, vocabulary)).astype(np.float32)
    scores[:, ::5] = -np.inf
    ids = np.array(_best(mx.array(scores), k))
    assert all(len(set(row)) == k for row in ids)
    found = np.sort(np.take_along_axis(scores, ids, axis=-1), axis=-1)
    np.testing.assert_array_equal(found, np.sort(scores, axis=-1)[:, -k:])


def test_pain_37_draws_follow_the_distribution():
    logits = np.log([0.4, 0.3, 0.15, 0.1, 0.05])
    params = SamplingParams(1.0, top_k=4, top_p=0.9, seed=11)
    count = 20_000
    observed = np.bincount(draw(params, logits, count), minlength=5)
    expected = reference_probabilities(logits, params) * count
    assert observed[expected == 0].sum() == 0
    kept = expected > 0
    chi_square = ((observed[kept] - expected[kept]) ** 2 / expected[kept]).sum()
    assert kept.sum() == 4
    assert chi_square < 16.27  # 3 degrees of freedom, p = 0.001


def test_pain_37_the_checkpoints_own_settings_are_the_default():
    assert SamplingParams.from_generation_config(PUBLISHED) == SamplingParams(1.0, 64, 0.95)


@pytest.mark.parametrize(
    ("config", "options", "expected"),
    [
        ({}, {}, SamplingParams()),
        ({**PUBLISHED, "do_sample": False}, {}, SamplingParams(0.0, 64, 0.95)),
        ({**PUBLISHED, "do_sample": False}, {"temperature": 0.5}, SamplingParams(0.5, 64, 0.95)),
        ({**PUBLISHED, "temperature": 0.0}, {}, SamplingParams(0.0, 64, 0.95)),
        ({"do_sample": True}, {}, SamplingParams(1.0)),
        (PUBLISHED, {"temperature": 0.0, "seed": 3}, SamplingParams(0.0, 64, 0.95, seed=3)),
        (PUBLISHED, {"top_p": 0.5, "top_k": None}, SamplingParams(1.0, 64, 0.5)),
        (PUBLISHED, {"top_k": 0}, SamplingParams(1.0, 0, 0.95)),
        ({}, {"top_k": 5}, SamplingParams(1.0, 5)),
        ({}, {"top_k": 5, "temperature": 0.0}, SamplingParams(0.0, 5)),
        ({}, {"seed": 5}, SamplingParams(seed=5)),
    ],
)
def test_pain_37_options_win_over_the_checkpoint_over_greedy(config, options, expected):
    assert SamplingParams.from_generation_config(config, **options) == expected


def test_a_bad_generation_config_is_named():
    with pytest.raises(ConfigError, match=r"generation_config\.json: top_p 7: expected"):
        SamplingParams.from_generation_config({"do_sample": True, "top_p": 7})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("temperature", "hot"),
        ("top_k", -1),
        ("top_k", 2.5),
        ("top_k", True),
        ("top_p", 1.01),
        ("min_p", -1),
        ("seed", -1),
        ("seed", 2**64),
    ],
)
def test_bad_values_are_named_with_their_range(option, value):
    with pytest.raises(UsageError, match=rf"^{option} .*expected a .*number from 0 to "):
        SamplingParams.from_generation_config({}, **{option: value})


def test_equal_seeds_repeat_and_nothing_global_is_seeded():
    logits = np.zeros(500)
    mx.random.seed(1)
    undisturbed = np.array(mx.random.uniform(shape=(4,)))
    mx.random.seed(1)
    runs = []
    for seed in (7, 7, 8):
        sampler = Sampler(SamplingParams(1.0, 64, 0.95, seed=seed))
        row = mx.array(logits, dtype=mx.float32)[None]
        runs.append([sampler(row).item() for _ in range(20)])
    assert runs[0] == runs[1] != runs[2]
    assert len(set(runs[0])) > 5  # the key moves on with each draw
    assert (np.array(mx.random.uniform(shape=(4,))) == undisturbed).all()


def test_without_a_seed_samplers_differ():
    row = mx.zeros((1, 10_000))
    drawn = {tuple(Sampler(SamplingParams(1.0))(row).item() for _ in range(3)) for _ in range(3)}
    assert len(drawn) == 3


@pytest.mark.parametrize("temperature", [0.0, 1e-9, 1e-5, 1.0])
def test_pain_58_banned_ids_never_come(temperature):
    logits = [1.0, 50.0, 0.5, 60.0, 0.0]
    drawn = draw(SamplingParams(temperature, seed=0), logits, 2000, banned={1, 3})
    assert not set(drawn) & {1, 3}
    assert 0 in drawn


def test_greedy_takes_the_best_of_each_row():
    rows = mx.array([[0.0, 2.0, 1.0], [5.0, 4.0, 3.0]])
    assert Sampler(SamplingParams())(rows).tolist() == [1, 0]


def test_a_low_temperature_stays_finite():
    drawn = draw(SamplingParams(1e-6, top_k=3, seed=0), [30.0, 29.9, -30.0, 0.0], 100)
    assert set(drawn) == {0}


def test_pain_41_bfloat16_logits_are_worked_on_in_float32():
    # 1e-3 apart in the sum of mass: bfloat16 would round both sides of the border alike.
    logits = mx.array(np.log([0.5, 0.25, 0.25])).astype(mx.bfloat16)[None]
    drawn = {Sampler(SamplingParams(1.0, top_p=0.749, seed=s))(logits).item() for s in range(40)}
    assert len(drawn) == 2


@pytest.mark.parametrize("banned", [{258880}, {-1}, {3, 5_000_000}])
def test_banned_ids_outside_of_the_vocabulary_touch_nothing(banned):
    logits = mx.array([[0.0, 1.0, 2.0, 3.0]])
    expected = 2 if 3 in banned else 3
    assert Sampler(SamplingParams(), banned=banned)(logits).item() == expected


def test_options_that_cut_nothing_leave_a_greedy_checkpoint_greedy():
    assert SamplingParams.from_generation_config({}, top_k=0, top_p=1.0).is_greedy

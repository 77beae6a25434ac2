"""Chunks never cut a picture, and nothing runs that later rows do not need."""

from __future__ import annotations

from collections import Counter

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx import parts
from gemma4_mlx import prefill as reading
from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import PromptProgress
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.limits import CHUNK_POSITIONS
from gemma4_mlx.prefill import plan_chunks, prefill
from gemma4_mlx.text.feedforward import FeedForward
from tests.parity.cases import Case, Clip, Image, Text


def text(length: int) -> ModelInputs:
    ids = np.random.default_rng(length).integers(3, 250, (1, length)).astype(np.int32)
    return ModelInputs(ids, np.zeros_like(ids))


def read(
    model, inputs: ModelInputs, cache, seen: list[PromptProgress], chunk: int = CHUNK_POSITIONS
) -> mx.array:
    """Logits of the last position; what it tells on the way goes to `seen`."""
    steps = prefill(model, inputs, cache, chunk=chunk)
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value


@given(
    gaps=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30)), max_size=6),
    tail=st.integers(0, 20),
    size=st.integers(1, 16),
)
def test_pain_23_chunks_cover_the_prompt_and_cut_no_picture(gaps, tail, size):
    runs, position = [], 0
    for gap, length in gaps:
        position += gap + 1  # a marker stands between any two runs
        runs.append((position, position + length))
        position += length
    chunks = plan_chunks(position + tail, runs, size)
    assert [position for chunk in chunks for position in range(*chunk)] == list(
        range(position + tail)
    )
    for start, stop in chunks:
        assert not any(first < stop < behind for first, behind in runs)
        longest = max([behind - first for first, behind in runs], default=0)
        assert stop - start <= max(size, longest)


@pytest.mark.parametrize("chunk", [1, 5, 16, 17, 64])
def test_chunked_reading_gives_the_logits_of_one_pass(tiny, chunk):
    inputs = text(61)
    expected = np.array(tiny(inputs.input_ids))[:, -1]
    cache, seen = tiny.make_cache(), []
    logits = read(tiny, inputs, cache, seen, chunk)
    np.testing.assert_allclose(np.array(logits), expected, atol=2e-4)
    assert all(one.offset == 61 for one in cache)
    assert seen == [PromptProgress(stop, 61) for stop in range(chunk, 61, chunk)]


@pytest.fixture
def slow(monkeypatch):
    """Every layer takes as long as it may."""
    monkeypatch.setattr(parts, "PART_S", 0.0)
    monkeypatch.setattr(parts, "FEW_ROWS", 8)
    monkeypatch.setattr(reading, "FEW_ROWS", 8)


def test_a_chunk_that_takes_long_is_told_layer_by_layer_and_read_the_same(tiny, slow, monkeypatch):
    inputs, cache, seen = text(61), tiny.make_cache(), []
    logits = read(tiny, inputs, cache, seen, 30)
    told = [progress.done for progress in seen]
    assert told == sorted(set(told)) and told[-1] < 61
    layers = len(cache)
    assert [done for done in told if done <= 30] == [30 * n // layers for n in range(1, layers + 1)]
    # The last chunk, of one position, is not told of; that before it is.
    assert len([done for done in told if 30 < done <= 60]) == layers
    monkeypatch.setattr(parts, "FEW_ROWS", 1000)
    monkeypatch.setattr(reading, "FEW_ROWS", 1000)
    at_once: list[PromptProgress] = []
    assert mx.array_equal(read(tiny, inputs, tiny.make_cache(), at_once, 30), logits)
    assert [progress.done for progress in at_once] == [30, 60]


@pytest.mark.parametrize("chunk", [30, 64])
def test_whoever_leaves_within_a_chunk_can_go_on_behind_it(tiny, slow, chunk):
    inputs = text(61)
    cache = tiny.make_cache()
    steps = prefill(tiny, inputs, cache, chunk=chunk)
    assert 0 < next(steps).done < min(chunk, 61)
    steps.close()
    stand = min(chunk, 61)
    assert [one.offset for one in cache] == [stand] * len(cache)
    whole = tiny.make_cache()
    read(tiny, ModelInputs(inputs.input_ids[:, :stand], inputs.input_ids[:, :stand]), whole, [])
    step = mx.array([[7]])
    assert mx.array_equal(tiny.step(step, cache), tiny.step(step, whole))


def test_pain_23_a_picture_longer_than_a_chunk_is_read_whole():
    assert plan_chunks(60, [(10, 50)], 16) == [(0, 10), (10, 50), (50, 60)]


@pytest.mark.parametrize("chunk", [0, -1])
def test_a_chunk_holds_something(tiny, chunk):
    with pytest.raises(UsageError, match=f"chunk {chunk}: expected"):
        read(tiny, text(5), tiny.make_cache(), [], chunk)


@pytest.mark.parametrize("chunk", [13, 64])
def test_pain_32_shared_layers_and_head_see_the_last_row_only(tiny, monkeypatch, chunk):
    rows: Counter[int] = Counter()
    run = FeedForward.__call__
    by_mlp = {id(layer.mlp): layer.spec.index for layer in tiny.layers}

    def spy(self, x):
        rows[by_mlp[id(self)]] += x.shape[0]
        return run(self, x)

    monkeypatch.setattr(FeedForward, "__call__", spy)
    head = type(tiny.language_model).logits
    head_rows = []
    monkeypatch.setattr(
        type(tiny.language_model),
        "logits",
        lambda self, hidden: head_rows.append(hidden.shape[1]) or head(self, hidden),
    )
    read(tiny, text(40), tiny.make_cache(), [], chunk)
    chunks = -(-40 // chunk)
    assert head_rows == [1] * chunks
    for layer in tiny.layers:
        assert rows[layer.spec.index] == (40 if layer.spec.owns_kv else chunks)


def test_what_is_attached_is_encoded_one_after_the_other_and_told(tiny):
    pieces = (Text(6), Image(6, 6), Text(3), Clip(40), Text(8))
    inputs = ModelInputs(**Case("e2b-like", "all", pieces, 1).inputs())
    whole = tiny(**inputs.arrays())[:, -1]
    told: list[PromptProgress] = []
    logits = read(tiny, inputs, tiny.make_cache(), told)
    length = inputs.input_ids.shape[1]
    assert told == [PromptProgress(0, length, done, 2) for done in range(3)]
    np.testing.assert_allclose(np.array(logits), np.array(whole), atol=1e-4)


def test_last_row_only_equals_the_last_row_of_all(tiny):
    inputs = text(50)
    prompt = tiny.embed(inputs.input_ids)
    every = np.array(tiny.forward(prompt, None))
    last = np.array(tiny.forward(prompt, None, last_row_only=True))
    assert last.shape[1] == 1
    np.testing.assert_allclose(last[:, 0], every[:, -1], atol=1e-4)
    assert mx.float32 == tiny.forward(prompt, None).dtype

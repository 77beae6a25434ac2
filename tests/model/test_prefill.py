"""Chunks never cut a picture, and nothing runs that later rows do not need."""

from __future__ import annotations

from collections import Counter

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import PromptProgress
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.limits import CHUNK_POSITIONS
from gemma4_mlx.prefill import plan_chunks, prefill
from gemma4_mlx.text.feedforward import FeedForward


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


def test_last_row_only_equals_the_last_row_of_all(tiny):
    inputs = text(50)
    prompt = tiny.embed(inputs.input_ids)
    every = np.array(tiny.forward(prompt, None))
    last = np.array(tiny.forward(prompt, None, last_row_only=True))
    assert last.shape[1] == 1
    np.testing.assert_allclose(last[:, 0], every[:, -1], atol=1e-4)
    assert mx.float32 == tiny.forward(prompt, None).dtype

"""Token after token, against whole passes; where it ends, and on which thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx import generate
from gemma4_mlx.generate import generate_tokens
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.loading import load_model


def greedy(logits: mx.array) -> mx.array:
    return mx.argmax(logits, axis=-1)


def inputs(length: int = 20) -> ModelInputs:
    ids = np.random.default_rng(7).integers(3, 250, (1, length)).astype(np.int32)
    return ModelInputs(ids, np.zeros_like(ids))


def written(model, *, stop_ids=(), max_tokens=30, sampler: Callable = greedy) -> list[int]:
    return list(
        generate_tokens(model, inputs(), sampler=sampler, stop_ids=stop_ids, max_tokens=max_tokens)
    )


def test_it_writes_what_whole_passes_would(tiny):
    ids, expected = list(inputs().input_ids[0]), []
    for _ in range(30):
        expected.append(int(np.array(tiny(np.array([ids])))[0, -1].argmax()))
        ids.append(expected[-1])
    assert written(tiny) == expected


@pytest.mark.parametrize("place", [0, 1, 7])
def test_pain_38_it_ends_at_any_id_of_the_stop_set(tiny, place):
    free = written(tiny)
    stop = free[place]
    first = free.index(stop)
    assert written(tiny, stop_ids={stop, 99999}) == free[: first + 1]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_it_writes_at_most_max_tokens(tiny, count):
    assert written(tiny, max_tokens=count) == written(tiny)[:count]


def test_the_cache_holds_the_prompt_and_what_was_written_before_the_last(tiny):
    cache = tiny.make_cache()
    tokens = list(
        generate_tokens(tiny, inputs(), sampler=greedy, stop_ids=(), max_tokens=6, cache=cache)
    )
    assert {one.offset for one in cache} == {20 + len(tokens) - 1}


@pytest.mark.parametrize("ahead_bytes", [0, 2**40])
def test_it_writes_the_same_whether_steps_start_ahead_or_not(tiny, monkeypatch, ahead_bytes):
    expected = written(tiny)
    monkeypatch.setattr(generate, "RUN_AHEAD_BYTES", ahead_bytes)
    started = []
    start = mx.async_eval
    monkeypatch.setattr(mx, "async_eval", lambda *arrays: started.append(arrays) or start(*arrays))
    assert written(tiny) == expected
    assert len(started) == (30 if ahead_bytes == 0 else 59)


def test_pain_45_one_thread_of_its_own_loads_and_generates(tiny, tiny_folder):
    result: list[list[int]] = []

    def run() -> None:
        result.append(written(load_model(tiny_folder, dtype=mx.float32)))
        # A thread that ends with its streams alive can abort the process at exit.
        mx.clear_streams()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert result == [written(tiny)]

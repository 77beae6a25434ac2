"""mlx-lm's own loop on our model and our caches, where it is installed: `make oracle`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

import gemma4_mlx as g4
from gemma4_mlx.cache import cache_report
from gemma4_mlx.generate import generate_tokens
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.memory import Choice
from tests.parity.recipe import write_checkpoint

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

PROMPT, TOKENS, CHUNK = 70, 40, 17


@pytest.fixture(scope="module", params=["e2b-like", "31b-like"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_checkpoint(tmp_path_factory.mktemp("lm") / request.param, request.param)
    return g4.load_model(folder, dtype=mx.float32)


@pytest.fixture
def ids() -> np.ndarray:
    return np.random.default_rng(5).integers(3, 250, (1, PROMPT)).astype(np.int32)


def theirs(model: Any, ids: np.ndarray, cache: list[Any], **options: Any) -> list[int]:
    """Greedy tokens from mlx-lm's loop."""
    generate = pytest.importorskip("mlx_lm.generate")
    steps: Iterator[tuple[int, mx.array]] = generate.generate_step(
        mx.array(ids[0]),
        model,
        max_tokens=TOKENS,
        prompt_cache=cache,
        prefill_step_size=CHUNK,
        **options,
    )
    return [token for token, _ in steps]


def ours(model: Any, ids: np.ndarray, cache: list[Any]) -> list[int]:
    inputs = ModelInputs(ids, np.zeros_like(ids))

    def greedy(logits: mx.array) -> mx.array:
        return mx.argmax(logits, axis=-1)

    steps = generate_tokens(
        model,
        inputs,
        sampler=greedy,
        stop_ids=(),
        max_tokens=TOKENS,
        cache=cache,
        choice=Choice(chunk=CHUNK),
    )
    return [step for step in steps if isinstance(step, int)]


@pytest.mark.parametrize("kv", [KVFormat(), KVFormat(8)], ids=str)
def test_their_loop_writes_what_ours_writes(model: Any, ids: np.ndarray, kv: KVFormat):
    assert theirs(model, ids, model.make_cache(kv)) == ours(model, ids, model.make_cache(kv))


def test_folded_caches_write_what_plain_ones_write(model: Any, ids: np.ndarray):
    folded = model.make_cache(KVFormat(folded=True))
    assert theirs(model, ids, folded) == ours(model, ids, model.make_cache())


def test_pain_34_their_kv_bits_work_here(model: Any, ids: np.ndarray):
    cache = model.make_cache()
    written = theirs(model, ids, cache, kv_bits=8, kv_group_size=32, quantized_kv_start=0)
    assert len(written) == TOKENS
    assert [one.layout.packed for one in cache] == [one.window is None for one in cache]
    assert cache_report(cache).saved_bytes > 0


def test_their_cache_tools_know_ours(model: Any, ids: np.ndarray):
    tools = pytest.importorskip("mlx_lm.models.cache")
    cache = tools.make_prompt_cache(model)
    assert all(one.empty() for one in cache)
    short = ids[:, :10]
    expected = np.array(model(short, cache=model.make_cache()))
    model(ids[:, :12], cache=cache)
    assert tools.can_trim_prompt_cache(cache)
    assert tools.trim_prompt_cache(cache, 5) == 5
    again = np.array(model(short[:, 7:], cache=cache))
    np.testing.assert_allclose(again, expected[:, 7:], atol=2e-3)
    model(ids, cache=cache)
    assert not tools.can_trim_prompt_cache(cache)
    assert tools.trim_prompt_cache(cache, 5) == 0

"""Rows of several sequences at once, and what a step of decoding asks of Python."""

from __future__ import annotations

from collections import Counter

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from gemma4_mlx.errors import CacheError
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.loading import load_model
from gemma4_mlx.model import Gemma4
from tests.parity.recipe import write_checkpoint


@pytest.fixture(scope="module", params=["e2b-like", "26b-like"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gemma4:
    folder = tmp_path_factory.mktemp("step") / request.param
    return load_model(write_checkpoint(folder, request.param), dtype=mx.float32)


@pytest.fixture
def ids() -> np.ndarray:
    return np.random.default_rng(5).integers(30, 250, (3, 40)).astype(np.int32)


def logits(model: Gemma4, ids: np.ndarray) -> list[np.ndarray]:
    """Of a prompt, of two steps behind it, and of three more positions at once."""
    cache = model.make_cache()
    parts = ids[:, :34], ids[:, 34:35], ids[:, 35:36], ids[:, 36:]
    return [np.array(model(part, cache=cache)) for part in parts]


def test_sequences_of_a_batch_do_not_meet(model, ids):
    together = logits(model, ids)
    for index in range(len(ids)):
        alone = logits(model, ids[index : index + 1])
        for ours, whole in zip(alone, together, strict=True):
            np.testing.assert_allclose(whole[index : index + 1], ours, atol=2e-5)


@pytest.mark.parametrize("kv", [KVFormat(), KVFormat(8), KVFormat(folded=True)])
def test_sequences_with_pictures_of_their_own_do_not_meet(model, ids, kv):
    """Read in pieces, kept in any way; alone, each is read at once."""
    for row, (start, stop) in enumerate([(3, 7), (10, 20), (35, 40)]):
        ids[row, start:stop] = model.config.image_token_id
    soft_tokens = [mx.random.normal((count, 64), key=mx.random.key(count)) for count in (4, 10, 5)]
    together, cache = model.splice(ids, soft_tokens), model.make_cache(kv)
    for start, stop in ((0, 9), (9, 22), (22, 23), (23, 40)):
        last = model.forward(together.rows(start, stop), cache, last_row_only=True)
        for row in range(len(ids)):
            shown = soft_tokens[row : row + 1]
            alone = model.splice(ids[row : row + 1], shown).rows(0, stop)
            expected = model.forward(alone, model.make_cache(kv), last_row_only=True)
            np.testing.assert_allclose(
                np.array(last[row : row + 1]), np.array(expected), atol=2e-2 if kv.bits else 5e-5
            )


def test_the_last_rows_of_a_batch_are_those_of_its_sequences(model, ids):
    prompt = model.embed(ids)
    every, last = model.forward(prompt, None), model.forward(prompt, None, last_row_only=True)
    np.testing.assert_allclose(np.array(last), np.array(every[:, -1:]), atol=2e-5)


def test_caches_that_are_not_of_one_pass_are_refused(model, ids):
    cache, other = model.make_cache(), model.make_cache()
    with pytest.raises(CacheError, match=rf"{len(cache) - 1} caches for {len(cache)} layers"):
        model(ids, cache=cache[1:])
    model(ids[:, :7], cache=cache)
    with pytest.raises(CacheError, match=r"different positions: \[0, 7"):
        model(ids[:, :7], cache=[other[0], *cache[1:]])


def test_a_step_finds_the_parts_of_its_layers_at_once(model, monkeypatch):
    # An attribute of a module that is a part of it is found last, behind an error (text/).
    cache = model.make_cache()
    asked: Counter[str] = Counter()
    find = nn.Module.__getattr__
    monkeypatch.setattr(
        nn.Module, "__getattr__", lambda self, name: asked.update([name]) or find(self, name)
    )
    model.step(mx.array([[77]]), cache)
    assert max(asked.values()) < len(model.layers), asked

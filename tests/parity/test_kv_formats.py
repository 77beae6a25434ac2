"""Packed and folded caches: the same logits in chunks of any size, near those of plain caches."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

import gemma4_mlx as g4
from gemma4_mlx.cache import cache_report
from gemma4_mlx.errors import UsageError
from gemma4_mlx.kv_format import KVFormat, cache_bytes
from tests.parity import kv_formats, ours
from tests.parity.configs import CONFIGS, WINDOW
from tests.parity.kv_formats import WIDE, prompt
from tests.parity.recipe import write_checkpoint

PLAIN, FOLDED, EIGHT = KVFormat(), KVFormat(folded=True), KVFormat(8)
CHUNKS = (1, 3, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW)
SOME_CHUNKS = (3, WINDOW + 1)
PROMPT, STEPS = 5 * WINDOW, 3 * WINDOW
CASES = [("e2b-like", EIGHT), ("31b-like", FOLDED), ("31b-like", EIGHT), (WIDE, KVFormat(8, True))]
RELATIVE_ERROR = {8: 0.06, 4: 0.25}
"""Upper bounds on random weights, whose attention is peaked and whose experts are near ties."""


@pytest.fixture(scope="module")
def load_any(load: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Checkpoint name -> model, `WIDE` among them."""

    @cache
    def load_wide() -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(CONFIGS, WIDE, kv_formats.wide_config())
            folder = write_checkpoint(tmp_path_factory.mktemp("wide") / WIDE, WIDE)
        return g4.load_model(folder, dtype=mx.float32)

    return lambda checkpoint: load_wide() if checkpoint == WIDE else load(checkpoint)


def ids(checkpoint: str, length: int) -> np.ndarray:
    """Random text [1, length]."""
    random = np.random.default_rng([length, *checkpoint.encode()])
    return random.integers(3, 250, (1, length)).astype(np.int32)


@pytest.fixture(scope="module")
def at_once(load_any) -> Callable[[str, KVFormat], np.ndarray]:
    """Logits of five windows and three more, read in one piece."""

    @cache
    def logits(checkpoint: str, kv: KVFormat) -> np.ndarray:
        model = load_any(checkpoint)
        return np.array(model(ids(checkpoint, PROMPT + STEPS), cache=model.make_cache(kv)))[0]

    return logits


@pytest.mark.parametrize(
    ("checkpoint", "kv", "size"),
    [(*case, size) for case in CASES for size in (CHUNKS if case in CASES[:2] else SOME_CHUNKS)],
    ids=str,
)
def test_pain_05_34_chunks_and_steps_give_what_one_piece_gives(
    checkpoint, kv, size, load_any, at_once
):
    model, tokens = load_any(checkpoint), mx.array(ids(checkpoint, PROMPT + STEPS))
    cache = model.make_cache(kv)

    def read(caches: list[Any], places: range) -> np.ndarray:
        pieces = [tokens[:, at : min(at + places.step, places.stop)] for at in places]
        return np.concatenate([np.array(model.step(piece, caches))[0] for piece in pieces])

    # Where a number lies between two steps of its group, rounding can take it to either.
    atol = 2e-3 if kv.bits is None else 0.05
    expected = at_once(checkpoint, kv)
    np.testing.assert_allclose(read(cache, range(0, PROMPT, size)), expected[:PROMPT], atol=atol)
    snapshot = [one.copy() for one in cache]
    steps = 1 if size in SOME_CHUNKS else WINDOW
    for caches, step in (
        (cache, steps),
        (snapshot, STEPS),
    ):  # what the first reads, the other does not
        made = read(caches, range(PROMPT, PROMPT + STEPS, step))
        np.testing.assert_allclose(made, expected[PROMPT:], atol=atol)
        assert np.abs(made - expected[PROMPT:]).mean() < 2e-3


@pytest.mark.parametrize(
    ("checkpoint", "kv"),
    [(c, kv) for c in (*CONFIGS, WIDE) for kv in kv_formats.formats(c)],
    ids=str,
)
def test_pain_34_packed_and_folded_logits_are_near_plain_ones(checkpoint, kv, load_any):
    error, same_token, share = kv_formats.difference(load_any(checkpoint), prompt(checkpoint), kv)
    assert error < (1e-5 if kv.bits is None else RELATIVE_ERROR[kv.bits])
    assert same_token > (0.95 if kv.bits != 4 else 0.7)
    assert share < 0.63


@pytest.mark.parametrize(("checkpoint", "kv"), [("e2b-like", PLAIN), *CASES[1:]], ids=str)
def test_pain_44_two_conversations_at_once_equal_each_alone(checkpoint, kv, load_any):
    model = load_any(checkpoint)
    tokens = ids(checkpoint, 2 * 70).reshape(2, 70)

    def read(rows: np.ndarray) -> np.ndarray:
        cache = model.make_cache(kv)
        spans = [(0, 37), (37, 41), *((at, at + 1) for at in range(41, 70))]
        pieces = [np.array(model(rows[:, start:stop], cache=cache)) for start, stop in spans]
        return np.concatenate(pieces, axis=1)

    both = read(tokens)
    for row in (0, 1):
        np.testing.assert_allclose(both[row], read(tokens[row : row + 1])[0], atol=2e-4)


@pytest.mark.parametrize("length", [1, 300])
@pytest.mark.parametrize(("checkpoint", "kv"), [("e2b-like", PLAIN), ("26b-like", PLAIN), *CASES])
def test_bytes_are_those_that_the_planner_counts(checkpoint, kv, length, load_any):
    model = load_any(checkpoint)
    cache = model.make_cache(kv)
    ours.logits(model, {"input_ids": ids(checkpoint, length)}, cache)
    report = cache_report(cache)
    text = model.config.text_config
    assert report.bytes == cache_bytes(text, length, 4, kv)
    assert report.bytes + report.saved_bytes == cache_bytes(text, length, 4)
    full = [layer for layer in text.layers if layer.owns_kv and layer.window is None]
    assert report.packed_layers == (len(full) if kv.bits else 0)
    assert report.folded_layers == (len(full) if kv.folded else 0)


def test_pain_34_shared_layers_read_what_their_donor_keeps(load_any):
    """No cache is made for them, so that there is nothing to pack a second time."""
    model = load_any("e2b-like")
    owners = [layer for layer in model.config.text_config.layers if layer.owns_kv]
    cache = model.make_cache(EIGHT)
    assert [one.window for one in cache] == [layer.window for layer in owners]
    assert [one.layout.packed for one in cache] == [layer.window is None for layer in owners]


def test_lanes_that_cannot_be_packed(load_any):
    with pytest.raises(UsageError, match="40 lanes cannot be packed"):
        load_any("31b-like").make_cache(KVFormat(8, folded=True))
    with pytest.raises(UsageError, match="kv_bits 3: expected 8, 4 or None"):
        KVFormat(3)

"""Attention in blocks of queries is attention, and holds no more scores than it may."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx import limits
from gemma4_mlx.cache import KeyValues, KVCache
from gemma4_mlx.cache.folded import Folded, Folding
from gemma4_mlx.cache.packed import Packed, Packing
from gemma4_mlx.cache.visible import attend
from gemma4_mlx.limits import SCORE_COPIES, block_rows
from gemma4_mlx.masks import MaskBook, picture_runs

HEADS, KV_HEADS, LANES = 4, 2, 64


def arrays(length: int, keys: int, batch: int = 1) -> tuple[mx.array, mx.array, mx.array]:
    shapes = (HEADS, length), (KV_HEADS, keys), (KV_HEADS, keys)
    queries, keys, values = (
        mx.random.normal((batch, *shape, LANES), key=mx.random.key(seed))
        for seed, shape in enumerate(shapes)
    )
    return queries / LANES**0.5, keys, values


def by_definition(queries: mx.array, kv: KeyValues, visible: np.ndarray) -> np.ndarray:
    """Softmax over the visible keys, in float64."""
    q, k, v = (np.array(a, dtype=np.float64) for a in (queries, kv.keys, kv.values))
    k, v = (np.repeat(a, q.shape[1] // a.shape[1], axis=1) for a in (k, v))
    scores = np.where(visible, q @ k.swapaxes(-1, -2), -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


LAYOUTS = {
    "plain": lambda: None,
    "packed": lambda: Packed(Packing(8, 64)),
    "folded": lambda: Folded(Folding(32, mx.ones(LANES))),
    "folded, packed": lambda: Folded(Folding(32, mx.ones(LANES)), Packing(8, 32)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["full", "window", "picture"])
@pytest.mark.parametrize("rows", [1, 5, 30])
def test_pain_33_attention_in_blocks_is_attention(layout, kind, rows, monkeypatch):
    length, before = 30, 11
    window = None if kind == "full" else 12
    queries, keys, values = arrays(length, before + length)
    if "folded" in layout:  # keys are values there, but for the lanes that turn
        turned = [*range(16), *range(32, 48)]
        values, values[..., turned] = mx.array(keys), values[..., turned]
    cache = KVCache(layout=LAYOUTS[layout]())
    cache.update(keys[:, :, :before], values[:, :, :before])
    seen = cache.update(keys[:, :, before:], values[:, :, before:])
    pictures = np.zeros((1, length), dtype=bool)
    pictures[:, 7:20] = kind == "picture"
    mask = MaskBook(picture_runs(pictures))(length, before + length, window)

    at_once = np.array(attend(queries, seen, mask))
    monkeypatch.setattr(limits, "SCORE_BYTES", 4 * HEADS * (before + length) * rows)
    in_blocks = np.array(attend(queries, seen, mask))
    np.testing.assert_allclose(in_blocks, at_once, atol=2e-6)

    visible = np.tril(np.ones((length, before + length), dtype=bool), before)
    if window is not None:
        visible &= ~np.tril(np.ones_like(visible), before - window)
        if kind == "picture":
            visible = np.array(mask).reshape(visible.shape)
    expected = by_definition(queries, KeyValues(keys, values, before), visible)
    atol = 0.02 if "packed" in layout else 2e-5
    np.testing.assert_allclose(at_once, expected, atol=atol)


def test_pain_33_scores_stay_within_their_bound(monkeypatch):
    length = 512
    queries, keys, values = arrays(length, 2 * length)
    seen = KeyValues(keys, values, length)
    mx.eval(queries, seen.keys, seen.values)
    whole = 4 * HEADS * length * 2 * length

    def scratch_bytes(allowed: int) -> int:
        """Memory beside the output."""
        monkeypatch.setattr(limits, "SCORE_BYTES", allowed)
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        out = attend(queries, seen, "causal")
        mx.eval(out)
        return mx.get_peak_memory() - before - 3 * out.nbytes

    assert whole <= scratch_bytes(whole) <= 2 * whole
    assert scratch_bytes(whole // 32) <= (SCORE_COPIES + 1) * whole // 32


def test_rows_of_a_block():
    assert block_rows(8, 4096) == limits.SCORE_BYTES // (4 * 8 * 4096)
    assert block_rows(8, 4096, batch=2) == block_rows(16, 4096)
    assert block_rows(32, 10**9) == 1

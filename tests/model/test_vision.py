"""Attention between the patches of a large picture, in blocks."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from gemma4_mlx.cache import visible
from gemma4_mlx.model import Gemma4


def encoded(model: Gemma4, side: int) -> np.ndarray:
    """Soft tokens of a square picture of noise."""
    columns, rows = np.meshgrid(np.arange(side), np.arange(side))
    positions = np.stack([columns.ravel(), rows.ravel()], axis=-1)[None].astype(np.int32)
    patch = 3 * model.config.vision_config.patch_size**2
    pixels = np.random.default_rng(2).random((1, side * side, patch), np.float32)
    return np.array(model.encode_images(pixels, positions)[0])


def test_pain_23_blocks_change_nothing(tiny, monkeypatch):
    kernel = tiny.config.vision_config.pooling_kernel_size
    whole = encoded(tiny, 4 * kernel)
    monkeypatch.setattr(visible, "block_rows", lambda *_: 7)
    np.testing.assert_allclose(encoded(tiny, 4 * kernel), whole, atol=1e-5)


def test_pain_23_scores_of_a_large_picture_are_held_in_blocks(tiny, monkeypatch, exact_memory):
    config = tiny.config.vision_config
    side = 16 * config.pooling_kernel_size
    scores = config.num_attention_heads * side**4 * 4
    peaks = []
    for rows in (side * side, 32):
        monkeypatch.setattr(visible, "block_rows", lambda *_, rows=rows: rows)
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        encoded(tiny, side)
        peaks.append(mx.get_peak_memory() - before)
    assert peaks[0] > scores
    assert peaks[1] < scores / 2

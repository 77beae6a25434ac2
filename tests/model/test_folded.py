"""Keys and values in one row: what the plain cache gives, from 640 lanes instead of 1024."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx.cache import KVCache, cache_report
from gemma4_mlx.cache.folded import Folded, Folding
from gemma4_mlx.cache.packed import Packed, Packing
from gemma4_mlx.cache.visible import attend
from gemma4_mlx.config import RopeSpec
from gemma4_mlx.masks import attention_mask
from gemma4_mlx.rope import Rope

LANES, HEADS, KV_HEADS = 512, 4, 2
SPEC = RopeSpec(theta=1_000_000.0, rotated_fraction=0.25)
TURNED = SPEC.rotated_lanes(LANES)


def drawn(seed: int, *shape: int) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed))


WEIGHT = 0.06 * mx.abs(drawn(0, LANES)) + 0.02


def folding() -> Folding:
    return Folding(TURNED, WEIGHT)


def read(cache: KVCache, chunks: tuple[int, ...]) -> np.ndarray:
    """Attention of every position, in chunks; keys are rope(weight * values)."""
    rope, outputs = Rope(LANES, SPEC), []
    for count in chunks:
        offset = cache.offset
        values = drawn(offset + 1, 1, KV_HEADS, count, LANES)
        queries = 2 * rope(drawn(offset + 2, 1, HEADS, count, LANES), offset)
        seen = cache.update(rope(WEIGHT * values, offset), values)
        out = attend(queries, seen, attention_mask(count, seen.length, None))
        outputs.append(np.array(out))
    return np.concatenate(outputs, axis=2)


CHUNKS = (1, 40, 7, *[1] * 9, 60, 2, 1)


@pytest.mark.parametrize("by_views", [True, False])
def test_folded_rows_attend_as_plain_ones(by_views):
    plain, folded = KVCache(), KVCache(layout=Folded(folding(), by_views=by_views))
    expected = read(plain, CHUNKS)
    assert np.abs(expected).max() > 3, "attention that tells keys apart"
    np.testing.assert_allclose(read(folded, CHUNKS), expected, atol=3e-5)
    assert folded.nbytes / plain.nbytes == 640 / 1024
    report = cache_report([folded])
    assert (report.folded_layers, report.packed_layers) == (1, 0)
    assert report.saved_bytes == plain.nbytes - folded.nbytes


def test_a_row_holds_what_it_says():
    keys, values = drawn(1, 1, 1, 3, LANES), drawn(2, 1, 1, 3, LANES)
    row = np.array(folding().fold(keys, values))
    half, turned = LANES // 2, TURNED // 2
    lanes = np.arange(LANES)
    turns = (lanes % half) < turned
    np.testing.assert_array_equal(row[..., :TURNED], np.array(keys)[..., turns])
    np.testing.assert_array_equal(row[..., TURNED:LANES], np.array(values)[..., ~turns])
    np.testing.assert_array_equal(row[..., LANES:], np.array(values)[..., turns])


@pytest.mark.parametrize(("bits", "error"), [(8, 0.02), (4, 0.3)])
def test_folded_rows_pack_like_plain_ones(bits, error):
    expected = read(KVCache(), CHUNKS)
    packing = Packing(bits, 64)
    folded, plain = KVCache(layout=Folded(folding(), packing)), KVCache(layout=Packed(packing))
    size = np.abs(expected).mean()
    errors = [np.abs(read(cache, CHUNKS) - expected).mean() / size for cache in (folded, plain)]
    assert errors[0] < error
    # Turned lanes and others stand in groups of their own, as they do in plain rows.
    assert errors[0] < 1.2 * errors[1]
    assert folded.nbytes / plain.nbytes == 640 / 1024


def test_rows_can_be_packed_later():
    cache, packing = KVCache(layout=Folded(folding())), Packing(8, 64)
    read(cache, (20, 1))
    at_once = KVCache(layout=Folded(folding(), packing))
    read(at_once, (20, 1))
    later = cache.to_quantized(group_size=64, bits=8)
    assert later.layout.packed and later.layout.folded
    for mine, theirs in zip(later.state, at_once.state, strict=True):
        np.testing.assert_array_equal(np.array(mine)[:, :, :21], np.array(theirs)[:, :, :21])
    np.testing.assert_array_equal(read(later, (3,)), read(at_once, (3,)))
    assert not cache.layout.packed

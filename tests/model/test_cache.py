"""The cache hands out exactly the rows that the new positions can see, in order."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.cache import KeyValues, KVCache
from gemma4_mlx.errors import CacheError


def rows(start: int, count: int) -> mx.array:
    """[1, 2, count, 3]; every row holds its position."""
    positions = mx.arange(start, start + count, dtype=mx.float32)
    return mx.broadcast_to(positions[None, None, :, None], (1, 2, count, 3))


def positions(array: mx.array) -> list[int]:
    return [int(value) for value in np.array(array)[0, 0, :, 0]]


@given(
    chunks=st.lists(st.integers(1, 20), min_size=1, max_size=12),
    window=st.none() | st.integers(1, 9),
    room=st.integers(1, 8),
)
def test_every_visible_row_is_handed_out_once_and_in_order(chunks, window, room):
    cache, offset = KVCache(window, room=room), 0
    for count in chunks:
        seen = cache.update(rows(offset, count), -rows(offset, count))
        first = 0 if window is None else max(0, offset - window + 1)
        assert positions(seen.keys) == list(range(first, offset + count))
        assert positions(seen.values) == [-p for p in range(first, offset + count)]
        assert seen.offset == offset
        offset += count
        assert cache.offset == offset


def test_a_windowed_cache_stays_small():
    cache = KVCache(window=8, room=4)
    for position in range(100):
        cache.update(rows(position, 1), rows(position, 1))
    assert cache.nbytes <= 2 * 2 * 3 * 4 * (7 + 1 + 4)
    assert len(cache.state) == 2


def test_last_rows():
    kv = KeyValues(rows(0, 5), rows(0, 5), 3)
    assert positions(kv.last(2).keys) == [3, 4]
    assert kv.last(5) is kv
    assert kv.last(2).offset == 3


def test_rows_that_do_not_fit_raise():
    cache = KVCache()
    with pytest.raises(CacheError, match=r"keys .* and values .* do not fit together"):
        cache.update(rows(0, 3), rows(0, 2))
    cache.update(rows(0, 3), rows(0, 3))
    with pytest.raises(CacheError, match="do not continue a cache"):
        cache.update(mx.zeros((1, 1, 1, 3)), mx.zeros((1, 1, 1, 3)))


def test_the_names_of_mlx_lms_protocol():
    cache = KVCache()
    keys, values = cache.update_and_fetch(rows(0, 2), rows(0, 2))
    assert positions(keys) == positions(values) == [0, 1]
    assert (cache.offset, len(cache.state)) == (2, 2)
    assert cache.make_mask(3, return_array=False) == "causal"
    assert cache.make_mask(1) is None
    assert cache.nbytes == sum(array.nbytes for array in cache.state)

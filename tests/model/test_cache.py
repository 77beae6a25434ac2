"""The cache hands out exactly the rows that the new positions can see; snapshots never change."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx.cache import KeyValues, KVCache, cache_report
from gemma4_mlx.cache.packed import Packed, Packing
from gemma4_mlx.cache.visible import last_rows
from gemma4_mlx.errors import CacheError
from gemma4_mlx.kv_format import ROW_STEP, rows_held


def rows(start: int, count: int, salt: int = 0) -> mx.array:
    """[1, 2, count, 3]; every row holds its position, and whose it is."""
    positions = mx.arange(start, start + count, dtype=mx.float32) + salt / 1024
    return mx.broadcast_to(positions[None, None, :, None], (1, 2, count, 3))


def positions(array: mx.array) -> list[float]:
    return np.array(array)[0, 0, :, 0].tolist()


windows = st.none() | st.integers(1, 9)


@given(chunks=st.lists(st.integers(1, 20), min_size=1, max_size=12), window=windows)
def test_every_visible_row_is_handed_out_once(chunks, window):
    cache, offset = KVCache(window), 0
    for count in chunks:
        seen = cache.update(rows(offset, count), -rows(offset, count))
        first = 0 if window is None else max(0, offset - window + 1)
        expected = list(range(first, offset + count))
        # One new position sees a ring as it stands; to more of them rows come in order.
        in_order = sorted if count == 1 else list
        assert in_order(positions(seen.keys)) == expected
        assert [-p for p in positions(seen.values)] == positions(seen.keys)
        assert (seen.offset, seen.length) == (offset, len(expected))
        offset += count
        assert cache.offset == cache.size() == offset


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 12)),
        st.tuples(st.just("keep"), st.just(0)),
        st.tuples(st.just("restore"), st.integers(0, 5)),
        st.tuples(st.just("evaluate"), st.just(0)),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(steps=steps, window=windows)
def test_pain_06_snapshots_against_a_list_of_rows(steps, window):
    """Any mix of reading, keeping and going back; every row carries the step that wrote it."""
    live, model, kept = KVCache(window), [], []
    for salt, (what, number) in enumerate(steps):
        if what == "append":
            new = rows(len(model), number, salt)
            first = 0 if window is None else max(0, len(model) - window + 1)
            seen = live.update(new, -new)
            model = [*model, *positions(new)]
            assert sorted(positions(seen.keys)) == model[first:]
            assert sorted(-p for p in positions(seen.values)) == model[first:]
        elif what == "keep":
            kept.append((live.copy(), model))
        elif what == "evaluate":
            mx.eval(live.state)
        elif kept:
            snapshot, model = kept[number % len(kept)]
            live = snapshot.copy()
        assert live.offset == len(model)
    for snapshot, read in [*kept, (live, model)]:
        offset = len(read)
        seen = snapshot.update(rows(offset, 1), rows(offset, 1))
        first = 0 if window is None else max(0, offset - window + 1)
        assert sorted(positions(seen.keys)) == [*read[first:], offset]


@pytest.mark.parametrize("wraps", [0, 1, 5])
def test_pain_06_a_snapshot_keeps_its_window_while_the_cache_goes_on(wraps):
    cache, window = KVCache(16), 16
    before = wraps * window + 7
    for position in range(before):
        cache.update(rows(position, 1), rows(position, 1))
    snapshot = cache.copy()
    kept = [np.array(array).copy() for array in snapshot.state]
    for position in range(before, before + 3 * window):
        mx.eval(cache.update(rows(position, 1, salt=1), rows(position, 1, salt=1)).keys)
    for array, expected in zip(snapshot.state, kept, strict=True):
        np.testing.assert_array_equal(np.array(array), expected)
    seen = snapshot.update(rows(before, 1), rows(before, 1))
    first = max(0, before - window + 1)
    assert sorted(positions(seen.keys)) == list(range(first, before + 1))


def big(count: int) -> mx.array:
    return mx.ones((1, 4, count, 512))


def test_a_cache_nobody_else_holds_is_written_in_place():
    cache = KVCache()
    cache.update(big(8000), big(8000))
    mx.eval(cache.state)

    def step_bytes() -> int:
        """Memory that one more row takes on its way."""
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        cache.update(big(1), big(1))
        mx.eval(cache.state)
        return mx.get_peak_memory() - before

    in_place = cache.nbytes // 20
    assert step_bytes() < in_place
    snapshot = cache.copy()
    assert step_bytes() >= cache.nbytes // 2, "a snapshot is worth a copy"
    assert step_bytes() < in_place, "but one only"
    assert snapshot.offset == cache.offset - 2


def test_rows_that_are_taken_back_are_let_go_of():
    cache = KVCache()
    before = mx.get_active_memory()
    cache.update(big(8000), big(8000))
    mx.eval(cache.state)
    assert mx.get_active_memory() - before >= cache.nbytes > 100_000_000
    cache.trim(7900)
    mx.eval(cache.state)
    assert mx.get_active_memory() - before <= 1.1 * cache.nbytes < 5_000_000
    seen = cache.update(2 * big(1), big(1))
    assert isinstance(seen, KeyValues)
    assert positions(seen.keys) == [*[1] * 100, 2]


def test_a_snapshot_holds_arrays_and_copies_none():
    caches = [KVCache(512 if layer % 5 else None) for layer in range(60)]
    for cache in caches:
        cache.update(rows(0, 600), rows(0, 600))
    mx.eval([cache.state for cache in caches])
    before = mx.get_active_memory()
    snapshots = [cache.copy() for cache in caches]
    assert mx.get_active_memory() == before
    assert all(
        mine is theirs
        for cache, snapshot in zip(caches, snapshots, strict=True)
        for mine, theirs in zip(cache.state, snapshot.state, strict=True)
    )


@given(chunks=st.lists(st.integers(-900, 700), max_size=6), window=st.none() | st.integers(1, 600))
@settings(max_examples=30, deadline=None)
def test_bytes_follow_from_the_position_alone(chunks, window):
    """Rows are appended, or, where the number is below 0, taken back."""
    cache = KVCache(window)
    for count in chunks:
        if count > 0:
            cache.update(rows(cache.offset, count), rows(cache.offset, count))
        elif cache.is_trimmable():
            cache.trim(-count)
    assert cache.nbytes == rows_held(cache.offset, window) * 2 * 2 * 3 * 4
    assert cache.plain_nbytes == cache.nbytes


def test_rows_held():
    assert rows_held(0, None) == rows_held(0, 512) == 0
    assert rows_held(1, None) == rows_held(ROW_STEP, None) == ROW_STEP
    assert rows_held(ROW_STEP + 1, None) == rows_held(ROW_STEP + 1, 512) == 2 * ROW_STEP
    assert rows_held(99999, 512) == 512
    assert rows_held(1, 16) == 16


def test_last_rows():
    kv = KeyValues(rows(0, 5), rows(0, 5), 3)
    last = last_rows(kv, 2)
    assert isinstance(last, KeyValues)
    assert positions(last.keys) == [3, 4]
    assert last_rows(kv, 5) is kv
    assert last.offset == 3


def test_rows_that_do_not_fit_raise():
    cache = KVCache()
    with pytest.raises(CacheError, match=r"keys .* and values .* do not fit together"):
        cache.update(rows(0, 3), rows(0, 2))
    cache.update(rows(0, 3), rows(0, 3))
    for misfit in (
        mx.zeros((1, 1, 1, 3)),
        mx.zeros((2, 2, 1, 3)),
        mx.zeros((1, 2, 1, 4)),
        rows(3, 1).astype(mx.float16),
    ):
        with pytest.raises(CacheError, match="do not continue a cache"):
            cache.update(misfit, misfit)
    assert cache.offset == 3


def test_what_our_caches_are_to_mlx_lm():
    """The names that `mlx_lm.generate` calls, and what they mean to it.

    `generate_step` evaluates `state`; `maybe_quantize_kv_cache` reads `offset` and calls
    `to_quantized`; models ask `make_mask` for the mask of the next N positions before they call
    `update_and_fetch`; `trim_prompt_cache` asks `is_trimmable` and takes what `trim` returns.
    """
    cache = KVCache()
    assert cache.empty()
    keys, values = cache.update_and_fetch(rows(0, 2), rows(0, 2))
    assert positions(keys) == positions(values) == [0, 1]
    assert (cache.offset, cache.size(), len(cache.state)) == (2, 2, 2)
    assert not cache.empty()
    assert cache.make_mask(3, return_array=False, window_size=None) == "causal"
    assert cache.make_mask(1) is None
    drawn = cache.make_mask(2, return_array=True)
    assert np.array(drawn).tolist() == [[True, True, True, False], [True] * 4]
    assert cache.nbytes == sum(array.nbytes for array in cache.state)
    assert cache.is_trimmable()
    assert (cache.trim(1), cache.offset) == (1, 1)
    assert positions(cache.update_and_fetch(rows(1, 1), rows(1, 1))[0]) == [0, 1]
    assert (cache.trim(9), cache.offset) == (2, 0)


def test_pain_06_a_ring_that_has_wrapped_is_not_rewound():
    ring = KVCache(4)
    ring.update(rows(0, 4), rows(0, 4))
    assert ring.make_mask(3, window_size=4).shape == (3, 6)
    with pytest.raises(CacheError, match="window of 5: the cache has 4"):
        ring.make_mask(3, window_size=5)
    assert ring.is_trimmable()
    assert ring.trim(2) == 2
    assert positions(ring.update(rows(2, 1), rows(2, 1)).keys) == [0, 1, 2]
    ring.update(rows(3, 3), rows(3, 3))
    assert not ring.is_trimmable()
    with pytest.raises(CacheError, match="cannot be rewound"):
        ring.trim(1)


def test_pain_34_mlx_lm_s_option_packs_full_layers_and_leaves_windows():
    wide = mx.random.normal((1, 2, 10, 64), key=mx.random.key(1))
    full, ring = KVCache(), KVCache(8)
    for cache in (full, ring):
        cache.update(wide, -wide)
    packed = full.to_quantized(group_size=32, bits=8)
    assert ring.to_quantized(group_size=32, bits=8) is ring
    assert packed.to_quantized() is packed
    at_once = KVCache(layout=Packed(Packing(8, 32)))
    at_once.update(wide, -wide)
    for mine, theirs in zip(packed.state, at_once.state, strict=True):
        np.testing.assert_array_equal(np.array(mine)[:, :, :10], np.array(theirs)[:, :, :10])
    assert (packed.offset, full.offset, len(full.state)) == (10, 10, 2)
    with pytest.raises(CacheError, match="cannot be handed out"):
        packed.update_and_fetch(wide, wide)
    with pytest.raises(CacheError, match="64 lanes cannot be packed in groups of 128"):
        full.to_quantized(group_size=128)
    report = cache_report([packed, ring])
    assert (report.layers, report.packed_layers, report.folded_layers) == (2, 1, 0)
    assert report.bytes == packed.nbytes + ring.nbytes
    assert report.saved_bytes == full.nbytes - packed.nbytes > 0

"""Masks against their definition, position by position."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.errors import CacheError
from gemma4_mlx.masks import MaskBook, attention_mask, picture_runs


def by_definition(queries: int, keys: int, window: int | None) -> np.ndarray:
    """Causal AND within the window, one position at a time."""
    visible = np.zeros((queries, keys), dtype=bool)
    for row in range(queries):
        position = keys - queries + row
        for key in range(keys):
            visible[row, key] = key <= position and (window is None or key > position - window)
    return visible


def drawn(mask: mx.array | str | None, queries: int, keys: int) -> np.ndarray:
    """What the attention kernel does with a mask."""
    if mask is None:
        return np.ones((queries, keys), dtype=bool)
    if isinstance(mask, str):
        assert mask == "causal"
        return np.tril(np.ones((queries, keys), dtype=bool), keys - queries)
    return np.array(mask)


@given(
    queries=st.integers(1, 12),
    before=st.integers(0, 20),
    window=st.none() | st.integers(1, 16),
)
def test_pain_04_text_images_and_audio_of_the_small_models_are_causal(queries, before, window):
    if queries == 1 and window is not None:
        before = min(before, window - 1)  # a single query is only ever given the keys it sees
    keys = before + queries
    mask = attention_mask(queries, keys, window)
    np.testing.assert_array_equal(drawn(mask, queries, keys), by_definition(queries, keys, window))


layouts = st.lists(st.tuples(st.sampled_from("tia"), st.integers(1, 9)), min_size=1, max_size=7)


def kinds_of(pieces: list[tuple[str, int]]) -> str:
    """One letter per position: text, image or audio; markers stand around every picture."""
    return "".join(kind * count if kind != "i" else f"t{'i' * count}t" for kind, count in pieces)


def visible_by_definition(kinds: str, window: int) -> np.ndarray:
    """(causal OR in the same picture) AND within the window, one position at a time."""
    length = len(kinds)
    picture = [kinds[: p + 1].count("ti") if kinds[p] == "i" else None for p in range(length)]
    visible = np.zeros((length, length), dtype=bool)
    for query in range(length):
        for key in range(length):
            same = picture[query] is not None and picture[query] == picture[key]
            visible[query, key] = (key <= query or same) and key > query - window
    return visible


@given(pieces=layouts, window=st.integers(1, 8), cuts=st.sets(st.integers(1, 60), max_size=5))
def test_pain_04_pictures_see_themselves_on_sliding_layers_only(pieces, window, cuts):
    kinds = kinds_of(pieces)
    expected = visible_by_definition(kinds, window)
    is_picture = np.array([[kind == "i" for kind in kinds]])
    # Any cut that keeps pictures whole is legal; what comes before is a cached prefix.
    legal = sorted(c for c in cuts if c < len(kinds) and not kinds[c - 1] == kinds[c] == "i")
    for start, stop in zip([0, *legal], [*legal, len(kinds)], strict=True):
        queries, first = stop - start, max(0, start - window + 1)
        runs = picture_runs(is_picture[:, start:stop])
        book = MaskBook(runs)
        mask = drawn(book(queries, stop - first, window), queries, stop - first)
        np.testing.assert_array_equal(mask.reshape(queries, -1), expected[start:stop, first:stop])
        full = drawn(book(queries, stop, None), queries, stop)
        np.testing.assert_array_equal(full, by_definition(queries, stop, None))


def test_pictures_are_numbered_within_a_row():
    is_picture = np.array([[0, 1, 1, 0, 1], [1, 0, 0, 1, 1]], dtype=bool)
    assert picture_runs(is_picture).tolist() == [[-1, 1, 1, -1, 2], [1, -1, -1, 2, 2]]
    assert picture_runs(np.zeros((1, 3), dtype=bool)) is None


def test_the_kernel_reads_causal_as_aligned_to_the_last_key():
    random = np.random.default_rng(0)
    query, key = (mx.array(random.normal(size=(1, 1, n, 8)).astype(np.float32)) for n in (3, 5))
    expected = mx.fast.scaled_dot_product_attention(
        query, key, key, scale=1.0, mask=mx.array(by_definition(3, 5, None))
    )
    causal = mx.fast.scaled_dot_product_attention(query, key, key, scale=1.0, mask="causal")
    np.testing.assert_allclose(np.array(causal), np.array(expected), atol=1e-6)


def test_a_layout_that_cannot_be_is_an_error():
    with pytest.raises(CacheError, match="3 keys for 4 new positions"):
        attention_mask(4, 3, None)
    with pytest.raises(CacheError, match="one query sees 9 keys through a window of 8"):
        attention_mask(1, 9, 8)


def test_layers_with_the_same_layout_share_one_array():
    book = MaskBook()
    assert book(4, 9, 8) is book(4, 9, 8)
    assert book(4, 9, 8) is not book(4, 9, 7)

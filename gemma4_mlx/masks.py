"""Which position sees which: drawn once, built for the keys at hand.

Reference: transformers `create_causal_mask`, `create_sliding_window_causal_mask`.

Rows are the new positions (queries), columns the visible ones (keys). The last columns are the
new positions themselves, so the layout follows from the two counts alone::

    full, 3 new of 5        sliding, window 2
    1 1 1 . .               . 1 1 . .
    1 1 1 1 .               . . 1 1 .
    1 1 1 1 1               . . . 1 1
"""

from __future__ import annotations

import mlx.core as mx

from gemma4_mlx.errors import CacheError

Mask = mx.array | str | None
"""What `mx.fast.scaled_dot_product_attention` takes: boolean [L, S], "causal", or None for all."""


def attention_mask(queries: int, keys: int, window: int | None) -> Mask:
    """The mask of `queries` new positions, the last of `keys` visible ones.

    Args:
        queries: L, new positions.
        keys: S, visible positions, the new ones included.
        window: how many positions each sees, itself included; None for all before it.

    Returns:
        None where every key is visible to every query, "causal" where only the future is hidden,
        else boolean [L, S].

    Raises:
        CacheError: there are fewer keys than queries.
    """
    if keys < queries:
        raise CacheError(f"attention over {keys} keys for {queries} new positions")
    if window is None or keys <= window:
        return None if queries == 1 else "causal"
    if queries == 1:
        raise CacheError(f"one query sees {keys} keys through a window of {window}")
    query = mx.arange(keys - queries, keys)[:, None]
    key = mx.arange(keys)[None]
    return (key <= query) & (key > query - window)


class MaskBook:
    """The masks of one forward pass; layers with the same layout share one array."""

    def __init__(self) -> None:
        self._masks: dict[tuple[int, int, int | None], Mask] = {}

    def __call__(self, queries: int, keys: int, window: int | None) -> Mask:
        """See `attention_mask`."""
        layout = (queries, keys, window)
        if layout not in self._masks:
            self._masks[layout] = attention_mask(*layout)
        return self._masks[layout]

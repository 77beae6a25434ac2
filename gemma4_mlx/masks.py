"""Which position sees which: drawn once, built for the keys at hand.

Reference: transformers `create_causal_mask`, `create_sliding_window_causal_mask`,
`create_masks_for_vision_model`.

Rows are the new positions (queries), columns the visible ones (keys). The last columns are the
new positions themselves, so the layout follows from the two counts alone::

    full, 3 new of 5        sliding, window 2       sliding, the last 2 are a picture
    1 1 1 . .               . 1 1 . .               . 1 1 . .
    1 1 1 1 .               . . 1 1 .               . . 1 1 1
    1 1 1 1 1               . . . 1 1               . . . 1 1

Full layers are causal, always. Sliding layers are causal AND within the window; where the config
says "vision", they are (causal OR in the same picture) AND within the window. Sound is causal.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from gemma4_mlx.errors import CacheError

Mask = mx.array | str | None
"""What `mx.fast.scaled_dot_product_attention` takes: boolean [L, S] or [B, 1, L, S], "causal", or
None for all."""

NO_PICTURE = -1


def picture_runs(is_picture: np.ndarray) -> np.ndarray | None:
    """Number the pictures of a prompt.

    Args:
        is_picture: bool [B, L], true where a soft token of a picture stands.

    Returns:
        int32 [B, L]: which run of them a position belongs to, `NO_PICTURE` elsewhere; None if
        there are none.
    """
    if not is_picture.any():
        return None
    starts = is_picture & ~np.pad(is_picture, ((0, 0), (1, 0)))[:, :-1]
    return np.where(is_picture, np.cumsum(starts, axis=1), NO_PICTURE).astype(np.int32)


def attention_mask(
    queries: int, keys: int, window: int | None, pictures: np.ndarray | None = None
) -> Mask:
    """The mask of `queries` new positions, the last of `keys` visible ones.

    Args:
        queries: L, new positions.
        keys: S, visible positions, the new ones included.
        window: how many positions each sees, itself included; None for all before it.
        pictures: of the new positions, [B, L] from `picture_runs`, where the soft tokens of a
            picture see each other; whole pictures only.

    Returns:
        None where every key is visible to every query, "causal" where only the future is hidden,
        else boolean [L, S], or [B, 1, L, S] with pictures.

    Raises:
        CacheError: there are fewer keys than queries, or more than a single query can see.
    """
    if keys < queries:
        raise CacheError(f"attention over {keys} keys for {queries} new positions")
    if queries == 1 and window is not None and keys > window:
        raise CacheError(f"one query sees {keys} keys through a window of {window}")
    if queries == 1:
        return None
    if pictures is None and (window is None or keys <= window):
        return "causal"
    query = mx.arange(keys - queries, keys)[:, None]
    key = mx.arange(keys)[None]
    visible = key <= query
    if pictures is not None:
        visible = visible | _same_picture(pictures, keys)
    return visible if window is None else visible & (key > query - window)


def drawn_mask(mask: Mask, queries: int, keys: int) -> mx.array | None:
    """A mask as an array; None where every key is visible to every query."""
    if not isinstance(mask, str):
        return mask
    return mx.arange(keys - queries, keys)[:, None] >= mx.arange(keys)[None]


def _same_picture(pictures: np.ndarray, keys: int) -> mx.array:
    """Which keys are of a query's own picture: [B, 1, L, S]. None before the new positions is."""
    runs = mx.array(pictures)
    same = (runs[:, :, None] == runs[:, None, :]) & (runs[:, :, None] != NO_PICTURE)
    before = keys - pictures.shape[1]
    return mx.pad(same, [(0, 0), (0, 0), (before, 0)])[:, None]


class MaskBook:
    """The masks of one forward pass; layers with the same layout share one array.

    Args:
        pictures: of the new positions, where sliding layers let a picture see itself.
    """

    def __init__(self, pictures: np.ndarray | None = None) -> None:
        self._pictures = pictures
        self._masks: dict[tuple[int, int, int | None], Mask] = {}

    def __call__(self, queries: int, keys: int, window: int | None) -> Mask:
        """See `attention_mask`; full layers (no window) are causal in any case."""
        layout = (queries, keys, window)
        if layout not in self._masks:
            pictures = self._pictures if window is not None and queries > 1 else None
            self._masks[layout] = attention_mask(*layout, pictures)
        return self._masks[layout]

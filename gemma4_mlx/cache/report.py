"""What the caches of a conversation hold, and what packing and folding save."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gemma4_mlx.cache.kv_cache import KVCache


class CacheReport(NamedTuple):
    """What the caches of a conversation hold.

    Attributes:
        layers: caches there are.
        packed_layers: those of them in 8 or 4 bits; the others are windows, or not asked for.
        folded_layers: those with keys and values in one.
        bytes: held now.
        saved_bytes: what they would hold more, were keys and values kept as they are.
    """

    layers: int
    packed_layers: int
    folded_layers: int
    bytes: int
    saved_bytes: int


def cache_report(caches: Sequence[KVCache]) -> CacheReport:
    """Tell what was packed and folded, and what that saves by now."""
    held = sum(one.nbytes for one in caches)
    return CacheReport(
        layers=len(caches),
        packed_layers=sum(one.layout.packed for one in caches),
        folded_layers=sum(one.layout.folded for one in caches),
        bytes=held,
        saved_bytes=sum(one.plain_nbytes for one in caches) - held,
    )

"""Keys and values of what was read: one cache per layer that has its own.

A cache is two choices. Where rows stand (`rows.py`): one after the other for layers that see all
positions, in a ring for those that see a window. What a row holds (`plain.py`, `packed.py`,
`folded.py`): keys and values as they are, in 8 or 4 bits, or folded into one where values are
keys. What a layer attends to comes out of `update` and knows its own attention (`visible.py`).
"""

from gemma4_mlx.cache.kv_cache import KVCache
from gemma4_mlx.cache.plain import KeyValues
from gemma4_mlx.cache.report import CacheReport, cache_report
from gemma4_mlx.cache.visible import Visible

__all__ = ["CacheReport", "KVCache", "KeyValues", "Visible", "cache_report"]

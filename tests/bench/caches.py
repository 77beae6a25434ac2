"""Compare what caches cost: `python -m tests.bench.caches [--contexts 4096,16384] [--rounds N]`.

One full layer of the 31B's shape, its cache and its attention alone: projections are the same for
all. Formats take turns within a round, so that what else the machine does falls on all of them;
ratios are to the plain cache of the same round. On the CPU backend the clock is processor time,
which other programs do not lengthen.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import mlx.core as mx

from gemma4_mlx.cache import KVCache
from gemma4_mlx.cache.folded import Folded, Folding
from gemma4_mlx.cache.kv_cache import Layout
from gemma4_mlx.cache.packed import Packed, Packing
from gemma4_mlx.cache.plain import Plain
from gemma4_mlx.cache.visible import attend
from gemma4_mlx.masks import attention_mask

HEADS, KV_HEADS, LANES, ROTATED = 32, 4, 512, 128
DTYPES = {"float32": mx.float32, "bfloat16": mx.bfloat16}


def layouts(dtype: mx.Dtype) -> dict[str, Layout]:
    """Name -> what a row holds; the plain one first."""
    folding = Folding(ROTATED, mx.ones(LANES, dtype))
    return {
        "plain": Plain(),
        "folded": Folded(folding),
        "8 bits": Packed(Packing(8, 64)),
        "4 bits": Packed(Packing(4, 64)),
        "folded, 8 bits": Folded(folding, Packing(8, 64)),
        "folded, 4 bits": Folded(folding, Packing(4, 64)),
    }


def filled(layout: Layout, context: int, dtype: mx.Dtype) -> KVCache:
    """A cache that has read so many positions."""
    cache = KVCache(layout=layout)
    for _ in range(0, context, 4096):
        rows = mx.random.normal((1, KV_HEADS, min(context, 4096), LANES)).astype(dtype)
        cache.update(rows, rows)
        mx.eval(cache.state)
    return cache


def step_s(cache: KVCache, queries: mx.array, rows: mx.array, clock: Callable[[], float]) -> float:
    """Seconds that it takes to append rows and attend to all."""
    started = clock()
    length = rows.shape[2]
    seen = cache.update(rows, rows)
    mx.eval(attend(queries, seen, attention_mask(length, seen.length, None)))
    return clock() - started


def measure(dtype: mx.Dtype, context: int, length: int, rounds: int) -> dict[str, list[float]]:
    """Format -> seconds of each round."""
    clock = time.perf_counter if mx.default_device() == mx.gpu else time.process_time
    caches = {name: filled(layout, context, dtype) for name, layout in layouts(dtype).items()}
    queries = mx.random.normal((1, HEADS, length, LANES)).astype(dtype) / LANES**0.5
    rows = mx.random.normal((1, KV_HEADS, length, LANES)).astype(dtype)
    mx.eval(queries, rows)
    seconds: dict[str, list[float]] = {name: [] for name in caches}
    for turn in range(rounds + 1):
        for name, cache in caches.items():
            taken = step_s(cache, queries, rows, clock)
            if turn:  # the first one warms up
                seconds[name].append(taken)
    return seconds


def main() -> None:
    """Print a table: milliseconds of the plain cache, and the ratio of each other to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contexts", default="4096,16384,32768", help="positions, with commas")
    parser.add_argument("--lengths", default="1,16", help="new positions, with commas")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    names = list(layouts(mx.float32))
    print("| dtype | context | new | plain, ms |", " | ".join(names[1:]), "|")
    print("|---|---|---|---|" + "---|" * (len(names) - 1))
    for dtype in options.dtypes.split(","):
        for context in map(int, options.contexts.split(",")):
            for length in map(int, options.lengths.split(",")):
                seconds = measure(DTYPES[dtype], context, length, options.rounds)
                plain = seconds.pop("plain")
                ratios = [
                    statistics.median(a / b for a, b in zip(other, plain, strict=True))
                    for other in seconds.values()
                ]
                figures = " | ".join(f"{ratio:.2f}" for ratio in ratios)
                took_ms = 1e3 * statistics.median(plain)
                print(f"| {dtype} | {context} | {length} | {took_ms:.1f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()

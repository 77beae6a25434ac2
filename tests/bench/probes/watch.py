"""What the probes share: clocks, memory, the questions. Imports nothing of any of the programs."""

from __future__ import annotations

import itertools
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

PROMPT_TOKENS = 2000
NEW_TOKENS = 64
ANSWER_TOKENS = 8
ROUNDS = 3
TEXT = "The list goes on: a red star, a blue circle and a green square. " * 115
NEXT = "Who are you?"


def prompt_ids() -> list[int]:
    """Ids of plain words, none of them a marker."""
    return [300 + 37 * n % 700 for n in range(PROMPT_TOKENS)]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long something takes, and what it gives."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def first_of(steps: Iterable[Any]) -> tuple[float, Any]:
    """Seconds until a generator gives its first value, and that value; the rest is used up."""
    iterator = iter(steps)
    taken, first = seconds(lambda: next(iterator))
    for _ in iterator:
        pass
    return taken, first


def decode_ms(tokens: Iterator[Any]) -> float:
    """The median time between two tokens, in ms; the first one holds the prompt and is left out."""
    times = []
    for _ in tokens:
        times.append(time.perf_counter())
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return 1000 * statistics.median(gaps)


def median_of(rounds: int, measure: Callable[[], float]) -> float:
    """The median of several measurements."""
    return statistics.median(measure() for _ in range(rounds))


def peak_resident_bytes() -> int:
    """The most that this process has held, files included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def report_speeds(
    import_s: float,
    load_s: float,
    tokens: Callable[[int, int], Iterator[Any]],
    peak_bytes: Callable[[], int],
) -> None:
    """Measure reading and writing, and print all.

    Args:
        import_s, load_s: what was measured before.
        tokens: takes the length of a prompt of `prompt_ids` and how many tokens to write.
        peak_bytes: the most that MLX held.
    """
    prefill_s = median_of(ROUNDS, lambda: first_of(tokens(PROMPT_TOKENS, 1))[0])
    decode = median_of(ROUNDS, lambda: decode_ms(tokens(16, NEW_TOKENS)))
    report(
        import_s=import_s,
        load_s=load_s,
        prefill_tokens_per_s=PROMPT_TOKENS / prefill_s,
        decode_ms_per_token=decode,
        peak_bytes=peak_bytes(),
    )


def report(**figures: float) -> None:
    """Print the figures as the last line."""
    print(json.dumps({**figures, "resident_bytes": peak_resident_bytes()}))
